"""Grouped-query attention: causal within packed segments, or over a cache. K, V never repeated."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from rft_jax.models.kv_cache import KeyValues

_MASKED = -1e30  # finite, so that a row with nothing to see gives no NaN

# A softmax's pieces over some columns: the largest score, the sum of exponentials relative to it,
# and the values weighted by those.
Partial = tuple[
    Float[Array, "B N Q 1"],
    Float[Array, "B N Q 1"],
    Float[Array, "B N Q K"],
]


def causal_attention(
    query: Float[Array, "B T H K"],
    keys: Float[Array, "B T N K"],
    values: Float[Array, "B T N K"],
    segment_ids: Int[Array, "B T"] | None,
) -> Float[Array, "B T H K"]:
    """Every token sees itself and the earlier tokens of its segment; softmax in float32."""
    length = query.shape[1]
    mask = jnp.tril(jnp.ones((length, length), bool))[None]
    if segment_ids is not None:
        mask = mask & (segment_ids[:, :, None] == segment_ids[:, None, :])
    grouped = query.reshape(*query.shape[:2], keys.shape[-2], -1, query.shape[-1])
    scores = jnp.einsum("btngk,bsnk->bngts", grouped, keys, preferred_element_type=jnp.float32)
    scores = jnp.where(mask[:, None, None], scores * query.shape[-1] ** -0.5, _MASKED)
    weights = jax.nn.softmax(scores, axis=-1)
    mixed = jnp.einsum("bngts,bsnk->btngk", weights.astype(values.dtype), values)
    return mixed.reshape(query.shape)


def cached_attention(
    query: Float[Array, "B T H K"],
    prefix: KeyValues,
    suffix: tuple[KeyValues, ...],
    prefix_lengths: Int[Array, " groups"],
    lengths: Int[Array, " B"],
) -> Float[Array, "B T H K"]:
    """Every token sees its group's prefix, and its slot's suffix up to itself.

    Each part gives a partial softmax; they are merged by their log-sum-exp. A part with nothing to
    see has weight 0 exactly, so a row's result does not depend on how far other rows have come.
    The prefix is read once for all slots of a group.

    Args:
      suffix: with the T tokens in it.
      lengths: filled columns of the suffix before the T tokens.
    """
    slots, length, heads, width = query.shape
    kv_heads = suffix[0].keys.shape[-3]
    rows = query.reshape(slots, length, kv_heads, -1, width)
    rows = jnp.moveaxis(rows, 1, 2).reshape(slots, kv_heads, -1, width)
    ends = lengths[:, None] + jnp.repeat(jnp.arange(1, length + 1), heads // kv_heads)
    parts, start = [], 0
    for block in suffix:
        parts.append(_attend_block(rows, block, ends - start, always=start == 0))
        start += block.num_columns
    if prefix.num_columns:
        parts.append(_attend_prefix(rows, prefix, prefix_lengths))
    mixed = _merge(parts).astype(query.dtype)
    mixed = mixed.reshape(slots, kv_heads, length, -1, width)
    return jnp.moveaxis(mixed, 2, 1).reshape(query.shape)


def _attend(
    rows: Float[Array, "B N Q K"], stored: KeyValues, mask: Bool[Array, "#B #Q S"]
) -> Partial:
    """A partial softmax of every query row over one part of the cache."""
    scores = jnp.einsum("bnqk,bnks->bnqs", rows, stored.keys, preferred_element_type=jnp.float32)
    scores = jnp.where(mask[:, None], scores * rows.shape[-1] ** -0.5, _MASKED)
    largest = jnp.max(scores, axis=-1, keepdims=True)
    weights = jnp.exp(scores - largest)
    total = jnp.sum(weights, axis=-1, keepdims=True)
    values = stored.values
    mixed = jnp.einsum(
        "bnqs,bnsk->bnqk", weights.astype(values.dtype), values, preferred_element_type=jnp.float32
    )
    return largest, total, mixed


def _attend_prefix(
    rows: Float[Array, "B N Q K"], prefix: KeyValues, prefix_lengths: Int[Array, " groups"]
) -> Partial:
    """All slots of a group against their one prefix, in one matrix product a head."""
    groups = prefix_lengths.shape[0]
    slots, kv_heads, queries, width = rows.shape
    by_group = rows.reshape(groups, -1, kv_heads, queries, width)
    by_group = jnp.moveaxis(by_group, 1, 2).reshape(groups, kv_heads, -1, width)
    filled = jnp.arange(prefix.num_columns) < prefix_lengths[:, None]

    def by_slot(part: Array) -> Array:
        part = part.reshape(groups, kv_heads, -1, queries, part.shape[-1])
        return jnp.moveaxis(part, 2, 1).reshape(slots, kv_heads, queries, -1)

    largest, total, mixed = _attend(by_group, prefix, filled[:, None])
    return by_slot(largest), by_slot(total), by_slot(mixed)


def _attend_block(
    rows: Float[Array, "B N Q K"], block: KeyValues, ends: Int[Array, "B Q"], *, always: bool
) -> Partial:
    """The slots against one block of their suffixes, of which a row sees the columns before `ends`.

    Unless `always`, a block that no slot has reached is not read at all.
    """
    seen = jnp.arange(block.num_columns) < ends[:, :, None]
    if always:
        return _attend(rows, block, seen)

    def nothing() -> Partial:
        lowest = jnp.full((*rows.shape[:-1], 1), _MASKED, jnp.float32)
        return lowest, jnp.zeros_like(lowest), jnp.zeros(rows.shape, jnp.float32)

    return jax.lax.cond(jnp.any(ends > 0), lambda: _attend(rows, block, seen), nothing)


def _merge(parts: list[Partial]) -> Float[Array, "B N Q K"]:
    largest = parts[0][0]
    for part in parts[1:]:
        largest = jnp.maximum(largest, part[0])
    scales = [jnp.exp(part[0] - largest) for part in parts]
    total, mixed = (
        functools.reduce(jnp.add, [s * part[i] for s, part in zip(scales, parts, strict=True)])
        for i in (1, 2)
    )
    return mixed / total
