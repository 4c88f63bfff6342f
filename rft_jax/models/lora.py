"""Low-rank adapters (LoRA: Hu et al., arXiv 2106.09685): small matrices beside frozen weights.

A kernel W becomes W + (alpha / rank) · A B, with A of the input's axes × rank and B of rank × the
output's axes. B starts at zero, so training starts from the model itself. The product A B is never
formed in training: x A B costs rank / width of what x W costs.

    config = replace(config, lora=Lora(rank=16, alpha=32.0))
    adapters = init_adapters(config, key)    # what the optimizer holds (models/llama.py)
    params = with_adapters(base, adapters)   # what Llama(config) is applied to
    merged = merge_adapters(config, params)  # what Llama without lora is applied to
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.traverse_util import flatten_dict, unflatten_dict
from jaxtyping import Array, Float

from rft_jax.models.config import LlamaConfig, Lora

Params = dict[str, Any]


class AdaptedDense(nn.DenseGeneral):
    """A DenseGeneral that adds a low-rank product of its input to its output.

    Attributes:
      lora: rank and scale.
    """

    lora: Lora | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "*batch_and_inputs"]) -> Float[Array, "*batch_and_outputs"]:
        assert self.lora is not None
        rank = self.lora.rank
        axes = _as_tuple(self.axis)
        inputs = tuple(x.shape[axis] for axis in axes)
        outputs = _as_tuple(self.features)
        out = super().__call__(x)
        normal = nn.initializers.normal(math.prod(inputs) ** -0.5)
        down = self.param("lora_a", normal, (*inputs, rank), jnp.float32)
        up = self.param("lora_b", nn.initializers.zeros, (rank, *outputs), jnp.float32)
        narrow = jnp.tensordot(x, down.astype(self.dtype), (axes, tuple(range(len(axes)))))
        return out + self.lora.scale * jnp.tensordot(narrow, up.astype(self.dtype), 1)


def _as_tuple(value: Any) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, tuple | list) else (value,)


def with_adapters(base: Params, adapters: Params) -> Params:
    """The frozen parameters and the adapters in one tree, as `Llama` takes them."""
    return unflatten_dict(flatten_dict(base) | flatten_dict(adapters))


def whole_params(config: LlamaConfig, frozen: Params, trained: Params) -> Params:
    """Parameters without adapters, of those that are trained and those that are not."""
    return merge_adapters(config, with_adapters(frozen, trained))


def adapters_of(params: Params) -> Params:
    """The adapters alone."""
    leaves = flatten_dict(params).items()
    return unflatten_dict({path: x for path, x in leaves if path[-1] in ("lora_a", "lora_b")})


def merge_adapters(config: LlamaConfig, params: Params) -> Params:
    """Parameters without adapters that compute the same; merged kernels are float32."""
    if config.lora is None:
        return params
    if "lora_a" in params:
        kernel = _merge(params["kernel"], params["lora_a"], params["lora_b"], config.lora.scale)
        bias = {"bias": params["bias"]} if "bias" in params else {}
        return {"kernel": kernel, **bias}
    return {
        name: merge_adapters(config, value) if isinstance(value, dict) else value
        for name, value in params.items()
    }


@partial(jax.jit, static_argnums=3)
def _merge(kernel: Array, down: Array, up: Array, scale: float) -> Array:
    """W + scale · A B for every layer; stacked on axis 0."""
    rank = down.shape[-1]
    flat = down.reshape(down.shape[0], -1, rank) @ up.reshape(up.shape[0], rank, -1)
    return kernel.astype(jnp.float32) + scale * flat.reshape(kernel.shape)
