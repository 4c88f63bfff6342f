"""The cache: where tokens are written, what is seen of them, and what int8 costs."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rft_jax.models import kv_cache
from rft_jax.models.attention import cached_attention
from rft_jax.models.config import LlamaConfig
from rft_jax.models.kv_cache import KVCache, append, empty_cache, quantised, visible

CONFIG = LlamaConfig(hidden_size=32, num_layers=1, num_heads=4, num_kv_heads=2, scan_layers=False)
SLOTS, COLUMNS = 3, 8


def _tokens(steps: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Keys and values of one token a slot and step: steps × slots × 1 × kv heads × head width."""
    random = np.random.default_rng(seed)
    shape = (steps, SLOTS, 1, 2, 8)
    return random.normal(size=shape).astype("f"), random.normal(size=shape).astype("f")


def _fill(cache: KVCache, restarts: dict[int, int], steps: int) -> tuple[KVCache, jax.Array]:
    """Writes a token a step into every slot, which restarts at its step; attends at the end."""
    keys, values = _tokens(steps)
    query = np.random.default_rng(1).normal(size=(SLOTS, 1, 4, 8)).astype("f")
    for step in range(steps):
        begins = jnp.asarray([restarts.get(slot) == step for slot in range(SLOTS)])
        cache = replace(cache, lengths=jnp.where(begins, 0, cache.lengths))
        cache, out = _step(cache, query, keys[step], values[step])
    return cache, out


def _step(cache: KVCache, query: Any, keys: Any, values: Any) -> tuple[KVCache, jax.Array]:
    """Writes a token into every slot, then attends."""
    (layer,) = cache.by_layer
    suffix = append(layer.suffix, keys, values, cache)
    out = cached_attention(query, layer, suffix, cache)
    return cache.advanced((replace(layer, suffix=suffix),), 1), out


def _expected(restarts: dict[int, int], steps: int) -> np.ndarray:
    """Attention over the slot's own tokens since it began, in float64."""
    keys, values = (part.astype("d") for part in _tokens(steps))
    query = np.random.default_rng(1).normal(size=(SLOTS, 1, 4, 8))
    out = np.zeros((SLOTS, 1, 4, 8))
    for slot in range(SLOTS):
        own = slice(restarts.get(slot, 0), steps)
        for head in range(4):
            scores = keys[own, slot, 0, head // 2] @ query[slot, 0, head] / np.sqrt(8)
            weights = np.exp(scores - scores.max())
            out[slot, 0, head] = weights @ values[own, slot, 0, head // 2] / weights.sum()
    return out


@pytest.mark.parametrize("ring", [False, True])
@pytest.mark.parametrize("block", [128, 3])
def test_a_slot_sees_its_own_tokens_since_it_began(ring: bool, block: int) -> None:
    """Also in a ring that has gone round, and over several blocks."""
    steps, restarts = 12, {0: 4, 1: 11, 2: 7}
    cache = empty_cache(CONFIG, SLOTS, COLUMNS, block=block, ring=ring)
    cache, out = _fill(cache, restarts, steps)
    assert cache.lengths.tolist() == [8, 1, 5]
    np.testing.assert_allclose(out, _expected(restarts, steps), atol=1e-5)


def test_int8_costs_less_than_one_percent_of_attention() -> None:
    cache, out = _fill(empty_cache(CONFIG, SLOTS, COLUMNS, int8=True), {}, COLUMNS)
    assert {x.dtype.name for x in jax.tree.leaves(cache.by_layer[0].suffix)} == {"int8", "float32"}
    expected = _expected({}, COLUMNS)
    error = np.abs(out - expected).max() / np.abs(expected).max()
    assert 1e-5 < error < 1e-2


def test_quantised_values_are_within_half_a_unit_of_their_vector_s_scale() -> None:
    keys, values = (jnp.asarray(part[:, 0, 0]) for part in _tokens(5))
    stored = kv_cache.KeyValues(jnp.moveaxis(keys, 0, -1)[None], jnp.swapaxes(values, 0, 1)[None])
    found = quantised(stored)
    assert found.key_scales is not None
    assert found.value_scales is not None
    restored = found.keys * found.key_scales[:, :, None]
    error = jnp.abs(restored - stored.keys) / found.key_scales[:, :, None]
    assert float(error.max()) <= 0.5 + 1e-4
    restored = found.values * found.value_scales[..., None]
    error = jnp.abs(restored - stored.values) / found.value_scales[..., None]
    assert float(error.max()) <= 0.5 + 1e-4
    assert int(jnp.abs(found.values).max()) == 127


def test_a_vector_of_zeros_stays_zero_in_int8() -> None:
    zeros = jnp.zeros((1, 1, 4, 2))
    found = quantised(kv_cache.KeyValues(jnp.swapaxes(zeros, 2, 3), zeros))
    assert found.keys.tolist() == jnp.zeros((1, 1, 2, 4), jnp.int8).tolist()
    assert not np.isnan(found.value_scales).any()


def test_what_would_lie_beyond_the_last_column_is_dropped() -> None:
    cache = empty_cache(CONFIG, SLOTS, COLUMNS)
    cache = replace(cache, lengths=jnp.array([0, COLUMNS - 1, COLUMNS]))
    keys, values = _tokens(1)
    (block,) = append(cache.by_layer[0].suffix, keys[0], values[0], cache)
    written = np.argwhere(np.asarray(block.values).any(axis=(1, 3)))
    assert written.tolist() == [[0, 0], [1, COLUMNS - 1]]


def test_columns_are_written_in_place() -> None:
    """In a loop on donated state nothing of the cache's size is copied."""
    config = replace(CONFIG, num_layers=1)
    cache = empty_cache(config, 64, 128)
    keys = jnp.ones((64, 1, 2, 8))

    @partial(jax.jit, donate_argnums=0)
    def loop(cache: KVCache) -> KVCache:
        def step(_: int, cache: KVCache) -> KVCache:
            cache, out = _step(cache, jnp.ones((64, 1, 4, 8)), keys, keys)
            return replace(cache, lengths=cache.lengths + (out[:, 0, 0, 0] > 2).astype(jnp.int32))

        return jax.lax.fori_loop(0, 4, step, cache)

    text = loop.lower(cache).compile().as_text()
    copies = [line for line in text.splitlines() if " copy(" in line and "f32[64,2,128,8]" in line]
    copies += [line for line in text.splitlines() if " copy(" in line and "f32[64,2,8,128]" in line]
    assert copies == []


def test_visible_columns_reach_to_each_token_itself() -> None:
    cache = replace(empty_cache(CONFIG, SLOTS, COLUMNS), lengths=jnp.array([0, 2, 5]))
    seen = visible(0, COLUMNS, cache, num_new=2)
    assert np.sum(seen, axis=-1).tolist() == [[1, 2], [3, 4], [6, 7]]
    assert np.sum(visible(4, 4, cache, num_new=2), axis=-1).tolist() == [[0, 0], [0, 0], [2, 3]]
