"""Prefill: the keys and values of prompts are those of a forward pass that collects them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from rft_jax.models.kv_cache import KeyValues, empty_cache
from rft_jax.sampling.prefill import prefill, prefill_common
from rft_jax.sampling.state import idle_state
from tests.sampling.tiny import GEOMETRY, placed, program

PROMPTS = jnp.arange(24).reshape(2, 12) % 50 + 8


def _values(layers: tuple[KeyValues, ...]) -> np.ndarray:
    """Layers × rows × heads × columns × head width."""
    return np.stack([np.asarray(layer.values) for layer in layers])


def _prefill(tokens: jax.Array, common: list[KeyValues]) -> tuple[KeyValues, ...]:
    one = program()
    weights = placed(one)  # not while tracing: they are cached for other tests
    return jax.jit(lambda tokens, common: prefill(weights, tokens, common, one))(tokens, common)


def _nothing() -> list[KeyValues]:
    return [layer.common for layer in empty_cache(program().config, 1, 0).by_layer]


def test_a_prompt_in_two_pieces_has_the_keys_and_values_of_the_whole() -> None:
    whole = _values(_prefill(PROMPTS[:1], _nothing()))
    start = _prefill(PROMPTS[:1, :7], _nothing())
    rest = _values(_prefill(PROMPTS[:1, 7:], list(start)))
    np.testing.assert_allclose(_values(start), whole[:, :, :, :7], atol=1e-5)
    np.testing.assert_allclose(rest, whole[:, :, :, 7:], atol=1e-5)


def test_rows_do_not_depend_on_each_other_or_on_padding() -> None:
    both = _values(_prefill(PROMPTS, _nothing()))
    padded = _values(_prefill(PROMPTS.at[0, 9:].set(0), _nothing()))
    np.testing.assert_array_equal(padded[:, 1], both[:, 1])
    np.testing.assert_array_equal(padded[:, 0, :, :9], both[:, 0, :, :9])


def test_what_is_common_is_filled_once_for_all_slots() -> None:
    from dataclasses import replace

    one = program(geometry=replace(GEOMETRY, common=7, buckets=(8,)))
    state = prefill_common(placed(one), idle_state(one, 8), PROMPTS[0, :7], program=one)
    found = _values(tuple(layer.common for layer in state.cache.by_layer))
    np.testing.assert_allclose(found, _values(_prefill(PROMPTS[:1, :7], _nothing())), atol=1e-6)
    assert found.shape[:4] == (2, 1, 2, 7)
