"""Model families: what a `config.json` of theirs says about the computation, and the reverse.

`Features` is what families differ in. A family whose computation they can describe is one entry of
`FAMILIES`; for another one a field is added here too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rft_jax.errors import UserError
from rft_jax.models.numbers import REAL, WHOLE, check_positive

if TYPE_CHECKING:
    from rft_jax.models.config import LlamaConfig

Content = Mapping[str, Any]
_ATTENTION, _MLP = ("q", "k", "v", "o"), ("gate", "up", "down")
KERNELS = (*_ATTENTION, *_MLP)
QUERY_KEY_NORMS = ("none", "head", "all_heads")
NORM_POSITIONS = ("before", "after")
_MULTIPLIERS = (
    "embedding_multiplier",
    "attention_multiplier",
    "residual_multiplier",
    "logits_scaling",
)


@dataclass(frozen=True, kw_only=True)
class Features:
    """What model families compute differently; the defaults are LLaMA's.

    Attributes:
      sliding_window: maximum tokens that each token attends to (Mistral), or None; longer
        sequences are refused, and up to that length it changes nothing.
      biases: kernels whose product a bias is added to, of q, k, v, o, gate, up, down.
      query_key_norm: RMS norm of queries and keys before the rotary positions: 'none', 'head'
        (over each head's width) or 'all_heads' (over all heads together).
      norm_position: whether a block norms the input of attention and feed-forward layer ('before')
        or their output ('after'), before the addition to the residual.
      embedding_multiplier: what embedded tokens are multiplied by (Granite).
      attention_multiplier: what attention scores are multiplied by (Granite); None for the inverse
        square root of the head width.
      residual_multiplier: what attention and feed-forward layer are multiplied by before the
        addition to the residual (Granite).
      logits_scaling: what logits are divided by (Granite).
    """

    sliding_window: int | None = None
    biases: tuple[str, ...] = ()
    query_key_norm: str = "none"
    norm_position: str = "before"
    embedding_multiplier: float = 1.0
    attention_multiplier: float | None = None
    residual_multiplier: float = 1.0
    logits_scaling: float = 1.0

    def __post_init__(self) -> None:
        unknown = sorted(set(self.biases) - set(KERNELS))
        if unknown:
            raise UserError(f"biases {unknown}: some of {', '.join(KERNELS)} are needed")
        check_positive(self, WHOLE, "sliding_window")
        check_positive(self, REAL, *_MULTIPLIERS)
        choices = {"query_key_norm": QUERY_KEY_NORMS, "norm_position": NORM_POSITIONS}
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise UserError(
                    f"{name} {getattr(self, name)!r}: one of {', '.join(allowed)} is needed"
                )


@dataclass(frozen=True)
class Family:
    """A kind of model, by the names of Hugging Face.

    Attributes:
      architecture: the class that transformers computes it with.
      read: a file's content to the fields of `Features`; those of LLaMA's value are left out.
      write: the fields of the file that `read` reads, by a model's features.
      defaults: what transformers takes where the file has no such field.
    """

    architecture: str
    read: Callable[[Content], dict[str, Any]]
    write: Callable[[Features], dict[str, Any]]
    defaults: Content = field(default_factory=dict)

    def describes(self, features: Features) -> bool:
        """Whether this family computes what `features` say."""
        return Features(**self.read({**self.defaults, **self.write(features)})) == features


def _attention_biases(content: Content) -> tuple[str, ...]:
    return _ATTENTION if content.get("attention_bias") else ()


def _read_llama(content: Content) -> dict[str, Any]:
    return {"biases": _attention_biases(content) + (_MLP if content.get("mlp_bias") else ())}


def _write_llama(features: Features) -> dict[str, Any]:
    return {"attention_bias": "o" in features.biases, "mlp_bias": "down" in features.biases}


def _read_mistral(content: Content) -> dict[str, Any]:
    return {"sliding_window": content.get("sliding_window")}


def _write_mistral(features: Features) -> dict[str, Any]:
    return {"sliding_window": features.sliding_window}


def _qwen_window(content: Content) -> dict[str, Any]:
    """The window of those layers that have one."""
    slides = content.get("use_sliding_window") and "sliding_attention" in (
        content.get("layer_types") or ("sliding_attention",)
    )
    return {"sliding_window": content.get("sliding_window") if slides else None}


def _write_qwen_window(features: Features) -> dict[str, Any]:
    window = features.sliding_window
    return {"use_sliding_window": window is not None, "sliding_window": window} | (
        {} if window is None else {"max_window_layers": 0}
    )


def _read_qwen2(content: Content) -> dict[str, Any]:
    return {"biases": ("q", "k", "v")} | _qwen_window(content)


def _read_qwen3(content: Content) -> dict[str, Any]:
    biases = _attention_biases(content)
    return {"biases": biases, "query_key_norm": "head"} | _qwen_window(content)


def _write_qwen3(features: Features) -> dict[str, Any]:
    return {"attention_bias": "o" in features.biases} | _write_qwen_window(features)


def _read_olmo2(content: Content) -> dict[str, Any]:
    biases = _attention_biases(content)
    return {"biases": biases, "query_key_norm": "all_heads", "norm_position": "after"}


def _write_olmo2(features: Features) -> dict[str, Any]:
    return {"attention_bias": "o" in features.biases}


def _read_granite(content: Content) -> dict[str, Any]:
    multipliers = {name: content.get(name) for name in _MULTIPLIERS}
    return _read_llama(content) | {
        name: 1.0 if value is None else value for name, value in multipliers.items()
    }


def _write_granite(features: Features) -> dict[str, Any]:
    return _write_llama(features) | {name: getattr(features, name) for name in _MULTIPLIERS}


_QWEN_DEFAULTS = {
    "max_position_embeddings": 32768,
    "num_key_value_heads": 32,
    "sliding_window": 4096,
}
FAMILIES: Mapping[str, Family] = {
    "llama": Family(
        "LlamaForCausalLM",
        _read_llama,
        _write_llama,
        {"max_position_embeddings": 2048},
    ),
    "mistral": Family(
        "MistralForCausalLM",
        _read_mistral,
        _write_mistral,
        {
            "max_position_embeddings": 32 * 4096,
            "num_key_value_heads": 8,
            "sliding_window": 4096,
        },
    ),
    "qwen2": Family("Qwen2ForCausalLM", _read_qwen2, _write_qwen_window, _QWEN_DEFAULTS),
    "qwen3": Family(
        "Qwen3ForCausalLM", _read_qwen3, _write_qwen3, _QWEN_DEFAULTS | {"head_dim": 128}
    ),
    "olmo2": Family(
        "Olmo2ForCausalLM",
        _read_olmo2,
        _write_olmo2,
        {"max_position_embeddings": 2048, "rms_norm_eps": 1e-5},
    ),
    "granite": Family(
        "GraniteForCausalLM", _read_granite, _write_granite, {"max_position_embeddings": 2048}
    ),
}


def family_of(config: LlamaConfig) -> str:
    """The `model_type` to write a model as: the first family that computes the same.

    A LLaMA whose heads don't divide its width is a Mistral: transformers refuses the former.

    Raises:
      UserError: there is none.
    """
    features = config.features
    for name, family in FAMILIES.items():
        refused = name == "llama" and config.hidden_size % config.num_heads
        if family.describes(features) and not refused:
            return name
    raise UserError(f"no family ({', '.join(FAMILIES)}) computes a model with {features}")
