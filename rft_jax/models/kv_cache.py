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

    prefix: Any
    suffix: Any
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


def append(
    blocks: tuple[KeyValues, ...],
    keys: Float[Array, "slots T N K"],
    values: Float[Array, "slots T N K"],
    lengths: Int[Array, " slots"],
) -> tuple[KeyValues, ...]:
    """One layer's suffix with every slot's T new tokens behind its filled columns.

    What would lie beyond the last column is dropped. Without a block, the new tokens become one.
    """
    if not blocks:
        return (KeyValues(jnp.moveaxis(keys, 1, -1), jnp.swapaxes(values, 1, 2)),)
    columns = lengths[:, None] + jnp.arange(keys.shape[1])
    rows = jnp.arange(lengths.shape[0])[:, None]
    written, start = [], 0
    for block in blocks:
        inside = (columns >= start) & (columns < start + block.num_columns)
        places = jnp.where(inside, columns - start, block.num_columns)  # outside: dropped
        written.append(
            # A column per slot: a scatter, which CPU and GPU do in place.
            KeyValues(
                keys=block.keys.at[rows, :, :, places].set(keys, mode="drop"),
                values=block.values.at[rows, :, places].set(values, mode="drop"),
            )
        )
        start += block.num_columns
    return tuple(written)
