"""The explicit key-value cache: a prefix shared by a group of slots, and a suffix for each slot.

A slot is a row of the decoding batch. Slots `g * G … g * G + G - 1` form group g: they draw
samples of one question, whose prompt's keys and values (the prefix) are stored and read once.
"""

from __future__ import annotations

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from rft_jax.models.config import LlamaConfig


@flax.struct.dataclass
class KeyValues:
    """Keys and values of one layer (or of all layers, with a leading axis L).

    Attributes:
      keys: rows × columns × kv heads × head width.
      values: the same shape.
    """

    keys: Float[Array, "*L rows columns N K"]
    values: Float[Array, "*L rows columns N K"]


@flax.struct.dataclass
class KVCache:
    """What decoding remembers; it goes into the model and comes out with the new tokens added.

    Attributes:
      prefix: the groups' prompts: KeyValues stacked over layers, or a tuple of one per layer
        (when `scan_layers` is off), groups × P columns.
      suffix: the slots' own tokens, likewise, slots × S columns.
      prefix_lengths: filled columns of each group's prefix.
      lengths: filled columns of each slot's suffix.
    """

    prefix: Any
    suffix: Any
    prefix_lengths: Int[Array, " groups"]
    lengths: Int[Array, " slots"]


def empty_cache(
    config: LlamaConfig, slots: int, columns: int, groups: int = 1, prefix_columns: int = 0
) -> KVCache:
    """A cache with nothing in it, zeros in the compute dtype."""
    return KVCache(
        prefix=_empty(config, groups, prefix_columns),
        suffix=_empty(config, slots, columns),
        prefix_lengths=jnp.zeros(groups, jnp.int32),
        lengths=jnp.zeros(slots, jnp.int32),
    )


def _empty(config: LlamaConfig, rows: int, columns: int) -> Any:
    def zeros(*leading: int) -> KeyValues:
        shape = (*leading, rows, columns, config.num_kv_heads, config.head_size)
        return KeyValues(jnp.zeros(shape, config.dtype), jnp.zeros(shape, config.dtype))

    if config.scan_layers:
        return zeros(config.num_layers)
    return tuple(zeros() for _ in range(config.num_layers))


def append(cache: KVCache, fresh: Any) -> KVCache:
    """Writes every slot's T new tokens behind its filled columns; beyond the last is dropped.

    Args:
      fresh: KeyValues of the new tokens in the suffix's structure, slots × T columns.
    """

    def write(old: Array, new: Array) -> Array:
        slots, num_new = new.shape[-4:-2]
        rows = jnp.arange(slots)[:, None]
        columns = cache.lengths[:, None] + jnp.arange(num_new)
        return old.at[..., rows, columns, :, :].set(new, mode="drop")

    suffix = jax.tree.map(write, cache.suffix, fresh)
    num_new = jax.tree.leaves(fresh)[0].shape[-3]
    return cache.replace(suffix=suffix, lengths=cache.lengths + num_new)  # type: ignore[attr-defined]
