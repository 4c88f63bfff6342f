"""Attention against sums in float64: grouped heads, segments, and partial softmaxes merged."""

from __future__ import annotations

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from rft_jax.models.attention import cached_attention, causal_attention
from rft_jax.models.config import LlamaConfig
from rft_jax.models.kv_cache import KeyValues, append, empty_cache

LENGTH, HEADS, WIDTH = 9, 4, 8


def _inputs(kv_heads: int, rows: int = 2) -> list[np.ndarray]:
    random = np.random.default_rng(kv_heads)
    shapes = [(rows, LENGTH, heads, WIDTH) for heads in (HEADS, kv_heads, kv_heads)]
    return [random.normal(size=shape).astype(np.float32) for shape in shapes]


def _expected(
    query: np.ndarray, keys: np.ndarray, values: np.ndarray, mask: np.ndarray
) -> np.ndarray:
    """Softmax attention in float64, one query at a time."""
    out = np.zeros(query.shape)
    shared = query.shape[2] // keys.shape[2]
    for row, t, head in np.ndindex(query.shape[:3]):
        seen = np.flatnonzero(mask[row, t])
        key, value = (x[row, seen, head // shared].astype("d") for x in (keys, values))
        scores = key @ query[row, t, head].astype("d") / np.sqrt(WIDTH)
        weights = np.exp(scores - scores.max())
        out[row, t, head] = weights @ value / weights.sum()
    return out


@pytest.mark.parametrize("kv_heads", [4, 2, 1])
def test_a_query_attends_to_its_key_value_heads_up_to_its_own_position(kv_heads: int) -> None:
    query, keys, values = _inputs(kv_heads)
    causal = np.broadcast_to(np.tril(np.ones((LENGTH, LENGTH), bool)), (2, LENGTH, LENGTH))
    found = causal_attention(*map(jnp.asarray, (query, keys, values)), None, "einsum")
    np.testing.assert_allclose(found, _expected(query, keys, values, causal), atol=1e-5)


def test_a_query_attends_to_its_own_segment_alone() -> None:
    query, keys, values = _inputs(2)
    segments = np.array([[1] * 4 + [2] * 5, [1] * 7 + [0] * 2])
    same = segments[:, :, None] == segments[:, None, :]
    mask = same & np.tril(np.ones((LENGTH, LENGTH), bool))
    found = causal_attention(
        *map(jnp.asarray, (query, keys, values)), jnp.asarray(segments), "einsum"
    )
    np.testing.assert_allclose(found, _expected(query, keys, values, mask), atol=1e-5)


@pytest.mark.parametrize("common", [0, 2])
def test_common_tokens_prefix_and_suffix_together_are_one_softmax(common: int) -> None:
    """Two slots of a group with a prompt each; positions 0 to 5 stored, three new tokens."""
    query, keys, values = _inputs(2)
    keys[1, :common], values[1, :common] = keys[0, :common], values[0, :common]
    config = LlamaConfig(
        hidden_size=HEADS * WIDTH, num_layers=1, num_heads=HEADS, num_kv_heads=2, scan_layers=False
    )
    cache = empty_cache(config, 2, 3, 1, 6 - common, prompts=2, common_columns=common, block=2)
    (layer,) = cache.by_layer

    def stored(row: int, start: int, end: int) -> KeyValues:
        key, value = (jnp.asarray(x[row, None, start:end]) for x in (keys, values))
        return KeyValues(jnp.moveaxis(key, 1, -1), jnp.swapaxes(value, 1, 2))

    layer = replace(
        layer,
        prefix=(stored(0, common, 6), stored(1, common, 6)),
        common=stored(0, 0, common) if common else layer.common,
    )
    cache = replace(
        cache,
        prefix_lengths=jnp.array([[6 - common, 6 - common]]),
        prefix_of=jnp.array([0, 1]),
    )
    new = [jnp.asarray(x[:, 6:]) for x in (query, keys, values)]
    suffix = append(layer.suffix, new[1], new[2], cache)
    assert len(suffix) == 2
    found = cached_attention(new[0], layer, suffix, cache)
    causal = np.broadcast_to(np.tril(np.ones((LENGTH, LENGTH), bool)), (2, LENGTH, LENGTH))
    expected = _expected(query, keys, values, causal)[:, 6:]
    np.testing.assert_allclose(found, expected, atol=1e-5)
