"""A LLaMA model's shape, and how it is computed."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

from rft_jax.errors import UserError
from rft_jax.models.families import KERNELS, Features
from rft_jax.models.numbers import REAL, WHOLE, check_positive

REMAT_POLICIES = ("none", "save_attention", "full")
DTYPES = ("float32", "bfloat16")
STORED_DTYPES = (*DTYPES, "float16")  # that a model folder's tensors may have
ATTENTIONS = ("auto", "einsum", "cudnn", "splash")


@dataclass(frozen=True)
class RopeScaling:
    """How rotary frequencies are stretched for contexts longer than pretraining's.

    Attributes:
      kind: `linear` divides every frequency by `factor`; `llama3` divides the low ones, keeps the
        high ones and blends between, as Llama 3.1 does.
      factor: what frequencies are divided by.
      low_freq_factor: `llama3`: below so many turns within the original length, divided.
      high_freq_factor: `llama3`: above so many turns within the original length, kept.
      original_max_position_embeddings: `llama3`: the original length, in tokens.
    """

    kind: Literal["linear", "llama3"]
    factor: float
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0
    original_max_position_embeddings: int = 8192

    def __post_init__(self) -> None:
        if self.kind not in ("linear", "llama3"):
            raise UserError(f"rope scaling {self.kind!r}: 'linear' or 'llama3' is needed")
        check_positive(self, REAL, "factor", "low_freq_factor", "high_freq_factor")
        check_positive(self, WHOLE, "original_max_position_embeddings")
        if self.kind == "llama3" and self.low_freq_factor >= self.high_freq_factor:
            raise UserError(
                f"low_freq_factor {self.low_freq_factor} is not below high_freq_factor "
                f"{self.high_freq_factor}"
            )


@dataclass(frozen=True)
class Lora:
    """Low-rank adapters: which kernels have one, and how large it is.

    Attributes:
      rank: columns of A and rows of B.
      alpha: the product A B is multiplied by alpha / rank.
      targets: kernels with an adapter, of q, k, v, o, gate, up, down.
    """

    rank: int
    alpha: float
    targets: tuple[str, ...] = KERNELS

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise UserError(f"lora rank {self.rank}: at least 1 is needed")
        unknown = sorted(set(self.targets) - set(KERNELS))
        if unknown or not self.targets:
            raise UserError(
                f"lora targets {list(self.targets)}: some of {', '.join(KERNELS)} are needed"
            )

    @property
    def scale(self) -> float:
        """What the product A B is multiplied by."""
        return self.alpha / self.rank


_SIZES = (
    *("vocab_size", "hidden_size", "intermediate_size", "num_layers", "num_heads", "num_kv_heads"),
    *("head_dim", "max_position_embeddings", "scan_unroll"),
)
CHOICES = {
    "remat": REMAT_POLICIES,
    "attention": ATTENTIONS,
    "dtype": DTYPES,
    "param_dtype": DTYPES,
}
"""The values that fields of `LlamaConfig` may have."""


@dataclass(frozen=True)
class LlamaConfig(Features):
    """A LLaMA model's shape; the defaults are LLaMA 7B's.

    Attributes:
      vocab_size: number of tokens in the vocabulary, rows of the embedding.
      hidden_size: width of the residual stream.
      intermediate_size: width of the gated feed-forward layer.
      num_layers: number of transformer blocks.
      num_heads: number of query heads.
      num_kv_heads: number of key-value heads; each serves num_heads / num_kv_heads query heads.
      head_dim: width of a head; None for hidden_size / num_heads.
      max_position_embeddings: longest sequence that the model was made for, in tokens.
      rope_theta: base of the rotary frequencies.
      rope_scaling: how the rotary frequencies are stretched, or None.
      rms_norm_eps: what is added to the mean square in every norm.
      tie_word_embeddings: whether the embedding also computes the logits.
      lora: low-rank adapters of the kernels, or None.
      dtype: dtype of activations and matrix products; norms, softmax and logits are float32.
      param_dtype: dtype of newly initialised parameters.
      scan_layers: whether parameters are stacked over layers and one compiled block loops over
        them; off, every block has its own (see `unstack_layers`).
      scan_unroll: blocks per iteration of the loop over layers; more compile longer and run faster.
      attention: implementation of attention: 'einsum', 'cudnn' (NVIDIA), 'splash' (TPU), or 'auto'
        for what suits the device.
      remat: what the backward pass recomputes: 'none', 'full' (everything but each block's input)
        or 'save_attention' (everything but that and attention's output).
    """

    vocab_size: int = 32000
    hidden_size: int = 4096
    intermediate_size: int = 11008
    num_layers: int = 32
    num_heads: int = 32
    num_kv_heads: int = 32
    head_dim: int | None = None
    max_position_embeddings: int = 2048
    rope_theta: float = 10000.0
    rope_scaling: RopeScaling | None = None
    rms_norm_eps: float = 1e-6
    tie_word_embeddings: bool = False
    lora: Lora | None = None
    dtype: str = "float32"
    param_dtype: str = "float32"
    scan_layers: bool = True
    scan_unroll: int = 1
    attention: str = "auto"
    remat: str = "none"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, WHOLE, *_SIZES)
        check_positive(self, REAL, "rope_theta", "rms_norm_eps")
        if self.num_heads % self.num_kv_heads:
            raise UserError(
                f"num_heads {self.num_heads} is not divisible by num_kv_heads {self.num_kv_heads}"
            )
        if self.head_dim is None:
            if self.hidden_size % self.num_heads:
                raise UserError(
                    f"hidden_size {self.hidden_size} is not divisible by num_heads "
                    f"{self.num_heads}; set head_dim"
                )
            object.__setattr__(self, "head_dim", self.hidden_size // self.num_heads)
        if self.head_size % 2:
            raise UserError(f"head_dim {self.head_dim} is odd; rotary positions need it even")
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise UserError(
                    f"{name} {getattr(self, name)!r}: one of {', '.join(choices)} is needed"
                )

    @property
    def features(self) -> Features:
        """What its family computes, and other families don't."""
        return Features(**{one.name: getattr(self, one.name) for one in fields(Features)})

    @property
    def head_size(self) -> int:
        """`head_dim` as the number it always is after construction."""
        assert self.head_dim is not None
        return self.head_dim

    @property
    def max_length(self) -> int:
        """Tokens of the longest sequence that the model was made for."""
        return min(self._length_limits.values())

    @property
    def length_field(self) -> str:
        """The field that sets `max_length`."""
        limits = self._length_limits
        return min(limits, key=limits.__getitem__)

    @property
    def _length_limits(self) -> dict[str, int]:
        """Linear scaling stretches the positions: `factor` times as many of them are usable."""
        limits = {"max_position_embeddings": self.max_position_embeddings}
        if self.rope_scaling is not None and self.rope_scaling.kind == "linear":
            positions = int(self.max_position_embeddings * self.rope_scaling.factor)
            limits = {"max_position_embeddings × rope_scaling.factor": positions}
        if self.sliding_window is not None:
            limits["sliding_window"] = self.sliding_window
        return limits

    def check_length(self, length: int) -> None:
        """Refuses sequences longer than `max_length`.

        Raises:
          UserError: names the field that forbids it.
        """
        if length > self.max_length:
            raise UserError(
                f"a length of {length} tokens is over the model's {self.length_field} of "
                f"{self.max_length}; take at most {self.max_length} (train.max_length)"
            )
