"""Prompts into the cache: every layer's keys and values of their tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Int

from rft_jax.models.kv_cache import KeyValues, empty_cache
from rft_jax.models.llama import Params
from rft_jax.sampling.program import Program
from rft_jax.sampling.state import State, state_specs


def prefill(
    params: Params, prompts: Int[Array, "R P"], common: Sequence[KeyValues], program: Program
) -> tuple[KeyValues, ...]:
    """Each layer's keys and values of the prompts.

    Args:
      common: each layer's keys and values of the tokens before them, see `LayerCache.common`.
    """
    rows, columns = prompts.shape
    cache = empty_cache(program.config, rows, 0)
    layers = [replace(layer, common=c) for layer, c in zip(cache.by_layer, common, strict=True)]
    positions = common[0].num_columns + jnp.arange(columns)
    positions = jnp.broadcast_to(positions, (rows, columns))
    _, cache = program.forward(params, prompts, positions, replace(cache, layers=tuple(layers)))
    return tuple(layer.suffix[0] for layer in cache.by_layer)


@partial(jax.jit, static_argnames="program", donate_argnames="state")
def prefill_common(
    params: Params, state: State, tokens: Int[Array, " P"], program: Program
) -> State:
    """Fills the part of the cache that all slots share.

    Args:
      tokens: what all prompts begin with, `geometry.common` tokens.
    """

    def fill(params: Params, state: State, tokens: Array) -> State:
        nothing = [layer.common for layer in empty_cache(program.config, 1, 0).by_layer]
        common = prefill(params, tokens[None], nothing, program)
        layers = zip(state.cache.by_layer, common, strict=True)
        filled = tuple(replace(layer, common=c) for layer, c in layers)
        return replace(state, cache=replace(state.cache, layers=filled))

    specs = state_specs(state, program)
    return program.sharded(fill, inputs=(P(), specs, P()), outputs=specs)(params, state, tokens)
