"""Grouped-query attention: causal within packed segments, or over a cache. K, V never repeated."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from rft_jax.models.kv_cache import KeyValues

_MASKED = -1e30  # finite, so that a row with nothing to see gives no NaN


def causal_attention(
    query: Float[Array, "B T H K"],
    fresh: KeyValues,
    segment_ids: Int[Array, "B T"] | None,
) -> Float[Array, "B T H K"]:
    """Every token sees itself and the earlier tokens of its segment; softmax in float32."""
    length = query.shape[1]
    mask = jnp.tril(jnp.ones((length, length), bool))[None]
    if segment_ids is not None:
        mask = mask & (segment_ids[:, :, None] == segment_ids[:, None, :])
    grouped = _group_heads(query, fresh.keys.shape[-2])
    scores = _scores(grouped, fresh.keys, mask)
    weights = jax.nn.softmax(scores, axis=-1)
    return _mix(weights, fresh.values).reshape(query.shape)


def cached_attention(
    query: Float[Array, "B T H K"],
    fresh: KeyValues,
    prefix: KeyValues,
    suffix: KeyValues,
    prefix_lengths: Int[Array, " groups"],
    lengths: Int[Array, " B"],
) -> Float[Array, "B T H K"]:
    """Every token sees its group's prefix, its slot's suffix, itself and earlier fresh tokens.

    The three sets of scores share one softmax, which is what merging three attentions by their
    log-sum-exp gives. The prefix is read once for all slots of a group.
    """
    slots, length = query.shape[:2]
    groups = prefix_lengths.shape[0]
    grouped = _group_heads(query, fresh.keys.shape[-2])
    by_group = grouped.reshape(groups, -1, *grouped.shape[2:])
    blocks = [
        _prefix_scores(by_group, prefix.keys, prefix_lengths, slots),
        _scores(grouped, suffix.keys, _filled(suffix, lengths)[:, None]),
        _scores(grouped, fresh.keys, jnp.tril(jnp.ones((length, length), bool))[None]),
    ]
    weights = jax.nn.softmax(jnp.concatenate(blocks, axis=-1), axis=-1)
    ends = (blocks[0].shape[-1], blocks[0].shape[-1] + blocks[1].shape[-1])
    on_prefix, on_suffix, on_fresh = jnp.split(weights, ends, axis=-1)
    mixed = _mix(on_suffix, suffix.values) + _mix(on_fresh, fresh.values)
    mixed += _prefix_mix(on_prefix, prefix.values, groups).reshape(mixed.shape)
    return mixed.reshape(query.shape)


def _group_heads(query: Float[Array, "B T H K"], num_kv_heads: int) -> Float[Array, "B T N G K"]:
    return query.reshape(*query.shape[:2], num_kv_heads, -1, query.shape[-1])


def _filled(block: KeyValues, lengths: Int[Array, " rows"]) -> Bool[Array, "rows columns"]:
    return jnp.arange(block.keys.shape[-3]) < lengths[:, None]


def _scores(
    query: Float[Array, "B T N G K"], keys: Float[Array, "B S N K"], mask: Bool[Array, "B T S"]
) -> Float[Array, "B N G T S"]:
    scores = jnp.einsum("btngk,bsnk->bngts", query, keys, preferred_element_type=jnp.float32)
    return jnp.where(mask[:, None, None], scores * query.shape[-1] ** -0.5, _MASKED)


def _mix(
    weights: Float[Array, "B N G T S"], values: Float[Array, "B S N K"]
) -> Float[Array, "B T N G K"]:
    return jnp.einsum("bngts,bsnk->btngk", weights.astype(values.dtype), values)


def _prefix_scores(
    query: Float[Array, "groups JT N G K"],
    keys: Float[Array, "groups P N K"],
    prefix_lengths: Int[Array, " groups"],
    slots: int,
) -> Float[Array, "B N G T P"]:
    """Scores of all slots' queries against their group's prefix (J slots a group)."""
    mask = (jnp.arange(keys.shape[1]) < prefix_lengths[:, None])[:, None]
    scores = _scores(query, keys, mask)
    groups, kv_heads, per_kv_head, rows, columns = scores.shape
    per_group = slots // groups
    shape = (groups, kv_heads, per_kv_head, per_group, rows // per_group, columns)
    scores = jnp.moveaxis(scores.reshape(shape), 3, 1)
    return scores.reshape(slots, *scores.shape[2:])


def _prefix_mix(
    weights: Float[Array, "B N G T P"], values: Float[Array, "groups P N K"], groups: int
) -> Float[Array, "groups JT N G K"]:
    slots, kv_heads, per_kv_head, length, columns = weights.shape
    per_group = slots // groups
    weights = weights.reshape(groups, per_group, *weights.shape[1:])
    shape = (groups, kv_heads, per_kv_head, per_group * length, columns)
    return _mix(jnp.moveaxis(weights, 1, 3).reshape(shape), values)
