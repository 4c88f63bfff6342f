"""The shapes of a model's parameters and its matrix products' FLOPs, in plain Python, no JAX."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rft_jax.models.config import LlamaConfig
from rft_jax.models.parameters import adapted_kernels, parameters

ITEM_BYTES = {"float32": 4, "bfloat16": 2, "int8": 1}


def param_shapes(config: LlamaConfig) -> dict[str, tuple[int, ...]]:
    """Each parameter's shape by its path, layers stacked; without adapters."""
    return {
        path: (config.num_layers, *one.shape) if path.startswith("layers/") else one.shape
        for path, one in parameters(config).items()
    }


def num_params(config: LlamaConfig) -> int:
    """Parameters in all, tied ones counted once; without adapters."""
    return sum(map(math.prod, param_shapes(config).values()))


def adapter_shapes(config: LlamaConfig) -> dict[str, tuple[int, ...]]:
    """The shapes of the adapters alone; none without `config.lora`."""
    if config.lora is None:
        return {}
    layers, rank, shapes = config.num_layers, config.lora.rank, {}
    for module, kernel in adapted_kernels(config, config.lora.targets):
        shapes[f"{module}/lora_a"] = (layers, *kernel.input_axes, rank)
        shapes[f"{module}/lora_b"] = (layers, rank, *kernel.output_axes)
    return shapes


@dataclass(frozen=True)
class TokenFlops:
    """Forward FLOPs of one token in all layers' matrix products; a multiply-add counts as two.

    Attributes:
      qkv: the projections to queries, keys and values.
      scores: queries times keys.
      mix: attention weights times values.
      out: attention's output projection.
      gate_up: the feed-forward layer's gate and up projections.
      down: the feed-forward layer's down projection.
      unembed: the logits.
    """

    qkv: float
    scores: float
    mix: float
    out: float
    gate_up: float
    down: float
    unembed: float

    @property
    def forward(self) -> float:
        """All forward FLOPs."""
        return self.blocks + self.unembed

    @property
    def blocks(self) -> float:
        """All forward FLOPs but those of the logits."""
        attention = self.qkv + self.scores + self.mix + self.out
        return attention + self.gate_up + self.down

    def recomputed(self, remat: str) -> float:
        """What the backward pass recomputes: all but the down projection, which it never needs."""
        if remat == "none":
            return 0.0
        again = self.qkv + self.scores + self.out + self.gate_up
        return again + (self.mix if remat == "full" else 0.0)


def token_flops(config: LlamaConfig, context: float) -> TokenFlops:
    """FLOPs of a token whose query meets `context` keys (in training, the row's whole length).

    Args:
      config: the model's.
      context: keys that each query is multiplied with.
    """
    width, layers = config.hidden_size, config.num_layers
    queries = config.num_heads * config.head_size
    keys = config.num_kv_heads * config.head_size
    attention = 2.0 * layers * queries * context
    return TokenFlops(
        qkv=2.0 * layers * width * (queries + 2 * keys),
        scores=attention,
        mix=attention,
        out=2.0 * layers * width * queries,
        gate_up=4.0 * layers * width * config.intermediate_size,
        down=2.0 * layers * width * config.intermediate_size,
        unembed=2.0 * width * config.vocab_size,
    )


def train_flops_per_token(config: LlamaConfig, length: int) -> float:
    """Training FLOPs of a token in a row of `length` tokens, as MFU counts them: no recomputation.

    6 × parameters + 12 × layers × heads × head width × length (Chowdhery et al., arXiv 2204.02311,
    appendix B), without the embedding table, which is looked up. With adapters the frozen kernels
    need no gradients of their own: 4 × instead of 6 ×.
    """
    flops = token_flops(config, length)
    if config.lora is None:
        return 3 * flops.forward
    attention = flops.scores + flops.mix
    return 3 * attention + 2 * (flops.forward - attention)
