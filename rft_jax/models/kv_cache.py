"""The explicit key-value cache: a prefix shared by a group of slots, and a suffix for each slot.

A slot is a row of the decoding batch. Slots `g * G … g * G + G - 1` form group g: they draw
samples of one question, whose prompt's keys and values (the prefix) are stored and read once.

Layout: the matrix products over a cache read it as it lies. Keys are stored transposed (columns
last), because `query @ keys` then runs along memory; values have the head width last. A suffix is
cut into blocks of columns: blocks that no slot has reached yet are not read.
"""

from __future__ import annotations

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from rft_jax.models.config import LlamaConfig

BLOCK = 128  # columns of a suffix block


@flax.struct.dataclass
class KeyValues:
    """Stored keys and values of one layer (or of all layers, with a leading axis L).

    Attributes:
      keys: rows × kv heads × head width × columns.
      values: rows × kv heads × columns × head width.
    """

    keys: Float[Array, "*L rows N K columns"]
    values: Float[Array, "*L rows N columns K"]

    @property
    def num_columns(self) -> int:
        """Columns there are, filled or not."""
        return self.keys.shape[-1]


@flax.struct.dataclass
class KVCache:
    """What decoding remembers; it goes into the model and comes out with the new tokens added.

    Attributes:
      prefix: the groups' prompts: KeyValues stacked over layers, or a tuple of one per layer
        (when `scan_layers` is off), groups × P columns.
      suffix: the slots' own tokens: a tuple of blocks of columns, likewise stacked over layers or
        one tuple per layer, slots × BLOCK columns (the last block has the rest). Without a block,
        the cache only collects: the new tokens become its one block.
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
    widths = [min(BLOCK, columns - start) for start in range(0, columns, BLOCK)]

    def layer(*leading: int) -> tuple[KeyValues, tuple[KeyValues, ...]]:
        prefix = _zeros(config, (*leading, groups), prefix_columns)
        return prefix, tuple(_zeros(config, (*leading, slots), width) for width in widths)

    if config.scan_layers:
        prefix, suffix = layer(config.num_layers)
    else:
        prefix, suffix = zip(*(layer() for _ in range(config.num_layers)), strict=True)
    return KVCache(
        prefix=prefix,
        suffix=suffix,
        prefix_lengths=jnp.zeros(groups, jnp.int32),
        lengths=jnp.zeros(slots, jnp.int32),
    )


def _zeros(config: LlamaConfig, leading: tuple[int, ...], columns: int) -> KeyValues:
    heads, width = config.num_kv_heads, config.head_size
    return KeyValues(
        keys=jnp.zeros((*leading, heads, width, columns), config.dtype),
        values=jnp.zeros((*leading, heads, columns, width), config.dtype),
    )


def stored(
    keys: Float[Array, "*L B T N K"], values: Float[Array, "*L B T N K"]
) -> KeyValues:
    """Keys and values as projections make them, in the layout of the cache."""
    return KeyValues(jnp.moveaxis(keys, -3, -1), jnp.swapaxes(values, -3, -2))


def append(cache: KVCache, fresh: Any) -> KVCache:
    """Writes every slot's T new tokens behind its filled columns; beyond the last is dropped.

    Args:
      fresh: KeyValues of the new tokens (T columns), stacked over layers or one per layer.
    """
    if isinstance(fresh, KeyValues):
        suffix: Any = _append_layer(cache.suffix, fresh, cache.lengths)
    else:
        suffix = tuple(
            _append_layer(blocks, new, cache.lengths)
            for blocks, new in zip(cache.suffix, fresh, strict=True)
        )
    num_new = jax.tree.leaves(fresh, is_leaf=_is_keyvalues)[0].num_columns
    return cache.replace(suffix=suffix, lengths=cache.lengths + num_new)  # type: ignore[attr-defined]


def _is_keyvalues(node: Any) -> bool:
    return isinstance(node, KeyValues)


def _append_layer(
    blocks: tuple[KeyValues, ...], fresh: KeyValues, lengths: Int[Array, " slots"]
) -> tuple[KeyValues, ...]:
    if not blocks:
        return (fresh,)
    columns = lengths[:, None] + jnp.arange(fresh.num_columns)
    rows = jnp.arange(lengths.shape[0])[:, None]
    written, start = [], 0
    for block in blocks:
        inside = (columns >= start) & (columns < start + block.num_columns)
        places = jnp.where(inside, columns - start, block.num_columns)  # outside: dropped
        written.append(_write(block, fresh, rows, places))
        start += block.num_columns
    return tuple(written)


def _write(
    block: KeyValues, fresh: KeyValues, rows: Int[Array, "slots 1"], places: Int[Array, "slots T"]
) -> KeyValues:
    """A column per slot: a scatter, which CPU and GPU do in place."""
    # Indexing by two arrays with a slice between puts the indexed axes (slots, T) in front.
    keys = jnp.moveaxis(fresh.keys, (-4, -1), (0, 1))
    values = jnp.moveaxis(fresh.values, (-4, -2), (0, 1))
    return KeyValues(
        keys=block.keys.at[..., rows, :, :, places].set(keys, mode="drop"),
        values=block.values.at[..., rows, :, places, :].set(values, mode="drop"),
    )
