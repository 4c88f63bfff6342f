"""The explicit key-value cache: prefixes shared by a group of slots, and a suffix for each slot.

A slot is a row of the decoding batch. With G slots in a group, slots `g * G … g * G + G - 1` form
group g: they decode samples of the same few problems, whose prompts' keys and values (the prefixes)
are stored and read once for the group.

Layout: matrix products read the cache without a transpose. Keys are stored transposed (columns
last), because `query @ keys` then runs along memory; values have the head width last. A suffix is
cut into blocks of columns: blocks that no slot has reached yet are not read. To decide that costs a
GPU more than a small block is worth, as the host waits for the answer.

Writing: every slot has its own next column, after its last one; CPU and GPU scatter such columns
in place. A TPU is slow at that. There, a ring has one column for all slots, the same at a step; a
slot's own columns are those written since its sample began.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Shaped

from rft_jax.models.config import LlamaConfig


@flax.struct.dataclass
class KeyValues:
    """Stored keys and values of one layer, or of all layers with a leading axis L.

    Attributes:
      keys: in the compute dtype or int8.
      values: likewise.
      key_scales: what int8 keys are multiplied by, or None.
      value_scales: what int8 values are multiplied by, or None.
    """

    keys: Shaped[Array, "*L R N K S"]
    values: Shaped[Array, "*L R N S K"]
    key_scales: Float[Array, "*L R N S"] | None = None
    value_scales: Float[Array, "*L R N S"] | None = None

    @property
    def num_columns(self) -> int:
        """How many columns there are, filled or not."""
        return self.keys.shape[-1]


@flax.struct.dataclass
class LayerCache:
    """What one layer has stored, or all layers with a leading axis L.

    Attributes:
      prefix: prompts of the groups, a row a group; one KeyValues for each prompt of a group.
      suffix: the slots' own tokens, a row a slot, in blocks of some columns (the last has the
        rest). With no suffix blocks the cache is for prefill only: the new tokens become the block.
      common: what all sequences begin with, before their prompts: one row, in the compute dtype;
        without columns where there is nothing.
    """

    prefix: tuple[KeyValues, ...]
    suffix: tuple[KeyValues, ...]
    common: KeyValues


# Stacked along a leading axis L, or one by one where `scan_layers` is off.
Layers = LayerCache | tuple[LayerCache, ...]


@flax.struct.dataclass
class KVCache:
    """What decoding remembers; it goes into the model and comes out with the new tokens added.

    Attributes:
      layers: what each layer has stored; None in what all blocks are given.
      prefix_lengths: filled columns of each prefix.
      prefix_of: which of its group's prefixes each slot attends to.
      lengths: filled columns of each slot's suffix.
      step: tokens that a ring has had written so far.
      ring: whether all slots write the same column.
    """

    layers: Layers | None
    prefix_lengths: Int[Array, "groups prompts"]
    prefix_of: Int[Array, " slots"]
    lengths: Int[Array, " slots"]
    step: Int[Array, ""]
    ring: bool = flax.struct.field(pytree_node=False, default=False)

    @property
    def by_layer(self) -> tuple[LayerCache, ...]:
        """The layers of a cache that was made with `scan_layers` off."""
        assert isinstance(self.layers, tuple)
        return self.layers

    def without_layers(self) -> KVCache:
        """What all layers have in common."""
        return replace(self, layers=None)

    def advanced(self, layers: Layers | None, num_new: int) -> KVCache:
        """The cache after `num_new` more tokens in every slot, which `layers` have stored."""
        return replace(
            self, layers=layers, lengths=self.lengths + num_new, step=self.step + num_new
        )


def empty_cache(
    config: LlamaConfig,
    slots: int,
    columns: int,
    groups: int = 1,
    prefix_columns: int = 0,
    prompts: int = 1,
    *,
    common_columns: int = 0,
    block: int = 0,
    ring: bool = False,
    int8: bool = False,
) -> KVCache:
    """A cache with nothing in it, zeros in the compute dtype or int8.

    Args:
      slots: rows of the decoding batch.
      columns: maximum tokens of a suffix; 0 for a cache that is for prefill only.
      groups: groups that the slots form, in order.
      prefix_columns: maximum tokens of a prefix.
      prompts: prefixes that each group holds.
      common_columns: tokens that all sequences begin with.
      block: columns of a suffix block; 0 for one block, which a ring always is.
      ring: whether all slots write the same column at a step.
      int8: whether prefixes and suffixes are stored as int8 with scales.
    """
    width = columns if ring else block or columns
    widths = [min(width, columns - start) for start in range(0, columns, max(width, 1))]

    def layer(*leading: int) -> LayerCache:
        prefix = [_zeros(config, (*leading, groups), prefix_columns, int8) for _ in range(prompts)]
        suffix = [_zeros(config, (*leading, slots), width, int8) for width in widths]
        common = _zeros(config, (*leading, 1), common_columns, int8=False)
        return LayerCache(tuple(prefix), tuple(suffix), common)

    layers = config.num_layers
    return KVCache(
        layers=layer(layers) if config.scan_layers else tuple(layer() for _ in range(layers)),
        prefix_lengths=jnp.zeros((groups, prompts), jnp.int32),
        prefix_of=jnp.zeros(slots, jnp.int32),
        lengths=jnp.zeros(slots, jnp.int32),
        step=jnp.zeros((), jnp.int32),
        ring=ring,
    )


def _zeros(config: LlamaConfig, leading: tuple[int, ...], columns: int, int8: bool) -> KeyValues:
    heads, width = config.num_kv_heads, config.head_size
    dtype = jnp.int8 if int8 else config.dtype

    def scales() -> Array | None:
        return jnp.zeros((*leading, heads, columns), jnp.float32) if int8 else None

    return KeyValues(
        keys=jnp.zeros((*leading, heads, width, columns), dtype),
        values=jnp.zeros((*leading, heads, columns, width), dtype),
        key_scales=scales(),
        value_scales=scales(),
    )


def append(
    blocks: tuple[KeyValues, ...],
    keys: Float[Array, "B T N K"],
    values: Float[Array, "B T N K"],
    cache: KVCache,
) -> tuple[KeyValues, ...]:
    """One layer's suffix with every slot's T new tokens in it; a ring takes one at a time.

    Tokens beyond the last column are dropped. Without a block, the new tokens become one.

    Args:
      blocks: the layer's suffix so far.
      cache: lengths (and a ring's step) before the new tokens.
    """
    if not blocks:
        return (KeyValues(jnp.moveaxis(keys, 1, -1), jnp.swapaxes(values, 1, 2)),)
    key_scales = value_scales = None
    if blocks[0].key_scales is not None:
        keys, key_scales = _to_int8(keys, axis=-1)
        values, value_scales = _to_int8(values, axis=-1)
    written, start = [], 0
    for block in blocks:
        write = _ring_writer(block, cache) if cache.ring else _column_writer(block, start, cache)
        written.append(
            KeyValues(
                keys=write(block.keys, keys, 3),
                values=write(block.values, values, 2),
                key_scales=write(block.key_scales, key_scales, 2),
                value_scales=write(block.value_scales, value_scales, 2),
            )
        )
        start += block.num_columns
    return tuple(written)


# Writes new tokens [B, T, …] into stored ones along their axis of columns; None stays None.
Writer = Callable[[Any, Any, int], Any]


def _column_writer(block: KeyValues, start: int, cache: KVCache) -> Writer:
    """Every slot's tokens after its own last one, by a scatter of columns."""
    rows = jnp.arange(cache.lengths.shape[0])[:, None]

    def write(old: Array | None, new: Array, axis: int) -> Array | None:
        if old is None:
            return None
        columns = cache.lengths[:, None] + jnp.arange(new.shape[1]) - start
        inside = (columns >= 0) & (columns < block.num_columns)
        columns = jnp.where(inside, columns, block.num_columns)  # outside: dropped
        index = (rows, *(slice(None),) * (axis - 1), columns)
        return old.at[index].set(new, mode="drop")

    return write


def _ring_writer(block: KeyValues, cache: KVCache) -> Writer:
    """All slots' token into the one column of this step."""
    column = cache.step % block.num_columns

    def write(old: Array | None, new: Array, axis: int) -> Array | None:
        if old is None:
            return None
        return jax.lax.dynamic_update_index_in_dim(old, new[:, 0], column, axis)

    return write


def visible(start: int, width: int, cache: KVCache, num_new: int) -> Bool[Array, "B T S"]:
    """Which columns of a suffix block new tokens attend to: their slot's, up to themselves.

    Args:
      start: the block's first column.
      width: its columns.
      cache: lengths (and a ring's step) before the new tokens.
      num_new: new tokens of every slot.
    """
    ends = cache.lengths[:, None, None] + jnp.arange(1, num_new + 1)[:, None]
    if cache.ring:
        age = (cache.step - jnp.arange(width)) % width  # in steps; the new token's is 0
        return age < ends
    return start + jnp.arange(width) < ends


def quantised(stored: KeyValues) -> KeyValues:
    """Keys and values in int8, with a scale for each head and column."""
    keys, key_scales = _to_int8(stored.keys, axis=-2)
    values, value_scales = _to_int8(stored.values, axis=-1)
    return KeyValues(keys, values, key_scales, value_scales)


def _to_int8(x: Float[Array, "*shape"], axis: int) -> tuple[Array, Float[Array, "*rest"]]:
    """Whole numbers up to ±127, and what they are multiplied by: one for each vector."""
    x = x.astype(jnp.float32)
    scales = jnp.maximum(jnp.max(jnp.abs(x), axis=axis), 1e-30) / 127
    return jnp.round(x / jnp.expand_dims(scales, axis)).astype(jnp.int8), scales
