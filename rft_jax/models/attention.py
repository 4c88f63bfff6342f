"""Grouped-query attention: causal within packed segments, or over a cache.

Keys and values are never repeated for the query heads that they serve.
"""

from __future__ import annotations

from functools import partial, reduce
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Bool, Float, Int

from rft_jax.models import flash
from rft_jax.models.kv_cache import KeyValues, KVCache, LayerCache, visible

_MASKED = -1e30  # finite, so that a row with nothing to attend to gives no NaN


class Partial(NamedTuple):
    """A softmax over some of the columns, not yet normalised.

    Attributes:
      largest: the largest score.
      total: the sum of exponentials relative to it.
      mixed: the values weighted by those exponentials.
    """

    largest: Float[Array, "B N Q 1"]
    total: Float[Array, "B N Q 1"]
    mixed: Float[Array, "B N Q K"]


def causal_attention(
    query: Float[Array, "B T H K"],
    keys: Float[Array, "B T N K"],
    values: Float[Array, "B T N K"],
    segment_ids: Int[Array, "B T"] | None,
    implementation: str = "auto",
) -> Float[Array, "B T H K"]:
    """Every token attends to itself and the earlier tokens of its segment; softmax in float32.

    Args:
      segment_ids: packed examples' numbers; None for one example a row.
      implementation: 'einsum', 'cudnn', 'splash', or 'auto' for what suits device and shapes.
    """
    if implementation == "auto":
        implementation = flash.suitable(query)
    if implementation == "cudnn":
        return flash.cudnn_attention(query, keys, values, segment_ids)
    if implementation == "splash":
        return flash.splash_attention(query, keys, values, segment_ids)
    length = query.shape[1]
    mask = jnp.tril(jnp.ones((length, length), bool))[None]
    if segment_ids is not None:
        mask = mask & (segment_ids[:, :, None] == segment_ids[:, None, :])
    grouped = query.reshape(*query.shape[:2], keys.shape[-2], -1, query.shape[-1])
    scores = jnp.einsum("btngk,bsnk->bngts", grouped, keys, preferred_element_type=jnp.float32)
    scores = jnp.where(mask[:, None, None], scores * query.shape[-1] ** -0.5, _MASKED)
    weights = jax.nn.softmax(scores, axis=-1)
    mixed = jnp.einsum("bngts,bsnk->btngk", weights.astype(values.dtype), values)
    return checkpoint_name(mixed.reshape(query.shape), flash.KEPT)


def cached_attention(
    query: Float[Array, "B T H K"],
    stored: LayerCache,
    suffix: tuple[KeyValues, ...],
    cache: KVCache,
) -> Float[Array, "B T H K"]:
    """Every token attends to what is common, its slot's prefix, and its suffix up to itself.

    Each of these gives a partial softmax; they are merged by their log-sum-exp. One without columns
    to attend to has weight 0 exactly, so a row's result does not depend on the lengths of other
    rows. A prefix is read once for all slots of a group, what is common once for all slots.

    Args:
      query: of the T new tokens.
      stored: the layer's cache before the new tokens.
      suffix: the layer's suffix with the new tokens in it.
      cache: lengths before the new tokens.
    """
    slots, length, _, width = query.shape
    kv_heads = suffix[0].keys.shape[-3]
    rows = query.reshape(slots, length, kv_heads, -1, width)
    rows = jnp.moveaxis(rows, 1, 2).reshape(slots, kv_heads, -1, width)
    partials, start = [], 0
    for block in suffix:
        partials.append(_attend_block(rows, block, start, cache, length))
        start += block.num_columns
    if stored.prefix[0].num_columns:
        partials.append(_attend_prefixes(rows, stored.prefix, cache))
    if stored.common.num_columns:
        partials.append(_attend_common(rows, stored.common))
    mixed = _merge(partials).astype(query.dtype)
    mixed = mixed.reshape(slots, kv_heads, length, -1, width)
    return jnp.moveaxis(mixed, 2, 1).reshape(query.shape)


def _attend(
    rows: Float[Array, "B N Q K"], stored: KeyValues, mask: Bool[Array, "#B #Q S"]
) -> Partial:
    """The partial softmax of every query row over some stored columns."""
    keys, values = stored.keys.astype(rows.dtype), stored.values.astype(rows.dtype)
    scores = jnp.einsum("bnqk,bnks->bnqs", rows, keys, preferred_element_type=jnp.float32)
    scores *= rows.shape[-1] ** -0.5
    if stored.key_scales is not None:
        scores *= stored.key_scales[:, :, None]
    scores = jnp.where(mask[:, None], scores, _MASKED)
    largest = jnp.max(scores, axis=-1, keepdims=True)
    weights = jnp.exp(scores - largest)
    total = jnp.sum(weights, axis=-1, keepdims=True)
    if stored.value_scales is not None:
        weights *= stored.value_scales[:, :, None]
    weights = weights.astype(rows.dtype)
    mixed = jnp.einsum("bnqs,bnsk->bnqk", weights, values, preferred_element_type=jnp.float32)
    return Partial(largest, total, mixed)


def _attend_common(rows: Float[Array, "B N Q K"], common: KeyValues) -> Partial:
    """All slots against the one row of what they share, in one matrix product a head."""
    slots, kv_heads, queries, width = rows.shape
    together = jnp.swapaxes(rows, 0, 1).reshape(1, kv_heads, -1, width)
    attended = _attend(together, common, jnp.ones((1, 1, common.num_columns), bool))
    shape = (kv_heads, slots, queries, -1)
    return jax.tree.map(lambda x: jnp.swapaxes(x.reshape(shape), 0, 1), attended)


def _attend_prefixes(
    rows: Float[Array, "B N Q K"], prefixes: tuple[KeyValues, ...], cache: KVCache
) -> Partial:
    """All slots of a group against each of its prefixes, in one matrix product a head.

    Of these a slot keeps the one for its own prefix. It is chosen and not merged, so that the
    result is bit-identical whichever of the group's prefixes that one is.
    """
    slots, kv_heads, queries, width = rows.shape
    groups = cache.prefix_lengths.shape[0]
    by_group = rows.reshape(groups, -1, kv_heads, queries, width)
    by_group = jnp.moveaxis(by_group, 1, 2).reshape(groups, kv_heads, -1, width)
    prefix_of = cache.prefix_of.reshape(groups, 1, -1, 1, 1)

    def attend(number: int) -> Partial:
        filled = jnp.arange(prefixes[0].num_columns) < cache.prefix_lengths[:, number, None]
        attended = _attend(by_group, prefixes[number], filled[:, None])
        shape = (groups, kv_heads, -1, queries)
        return jax.tree.map(lambda x: x.reshape(*shape, x.shape[-1]), attended)

    chosen = attend(0)
    for number in range(1, len(prefixes)):
        own = partial(jnp.where, prefix_of == number)
        chosen = jax.tree.map(own, attend(number), chosen)
    shape = (slots, kv_heads, queries, -1)
    return jax.tree.map(lambda x: jnp.moveaxis(x, 2, 1).reshape(shape), chosen)


def _attend_block(
    rows: Float[Array, "B N Q K"], block: KeyValues, start: int, cache: KVCache, num_new: int
) -> Partial:
    """The slots against the block of their suffixes that begins at column `start`.

    A block after the first is not read at all while no slot has reached it.
    """
    seen = visible(start, block.num_columns, cache, num_new)
    seen = jnp.repeat(seen, rows.shape[2] // num_new, axis=1)
    if start == 0:
        return _attend(rows, block, seen)

    def nothing() -> Partial:
        lowest = jnp.full((*rows.shape[:-1], 1), _MASKED, jnp.float32)
        return Partial(lowest, jnp.zeros_like(lowest), jnp.zeros(rows.shape, jnp.float32))

    reached = jnp.any(cache.lengths + num_new > start)
    return jax.lax.cond(reached, lambda: _attend(rows, block, seen), nothing)


def _merge(partials: list[Partial]) -> Float[Array, "B N Q K"]:
    """The softmax over all columns, from partial ones."""
    largest = reduce(jnp.maximum, [one.largest for one in partials])
    scales = [jnp.exp(one.largest - largest) for one in partials]
    pairs = list(zip(scales, partials, strict=True))
    total = reduce(jnp.add, [scale * one.total for scale, one in pairs])
    mixed = reduce(jnp.add, [scale * one.mixed for scale, one in pairs])
    return mixed / total
