"""Drawing one token: what is kept, what is drawn, and from which random bits."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.extend.random import threefry_2x32

from rft_jax.errors import UserError
from rft_jax.sampling import methods
from rft_jax.sampling.settings import SampleSettings

# Few different values, so that ties are common; and ordinary floats.
_LOGITS = st.one_of(
    st.lists(st.sampled_from([-3.0, -1.0, -0.0, 0.0, 0.5, 4.0]), min_size=2, max_size=40),
    st.lists(st.floats(-30, 30, width=32, allow_subnormal=False), min_size=2, max_size=40),
)

# One size, so that one program does for all; what is kept is now few tokens and now many.
_VOCABULARY = 300


def _full_sort(logits: np.ndarray, weights: np.ndarray, need: int) -> np.ndarray:
    """What a stable full sort keeps: tokens before which less than `need` has been summed up."""
    order = np.argsort(-logits, kind="stable")
    before = np.cumsum(weights[order]) - weights[order]
    kept = np.zeros(len(logits), bool)
    kept[order[before < need]] = True
    return kept


@settings(max_examples=200, deadline=None)
@given(values=_LOGITS, p=st.floats(0.01, 0.999))
def test_top_p_keeps_exactly_what_a_full_sort_keeps_ties_included(
    values: list[float], p: float
) -> None:
    logits = np.resize(np.float32(values), (1, _VOCABULARY))
    masses = np.asarray(methods.probability_masses(jnp.asarray(logits)))
    kept = np.asarray(jax.jit(methods.top_p_mask)(logits, masses, p))[0]
    need = int(np.ceil(np.float32(masses.sum()) * np.float32(p)))
    np.testing.assert_array_equal(kept, _full_sort(logits[0], masses[0].astype(np.int64), need))


@settings(max_examples=100, deadline=None)
@given(values=_LOGITS, k=st.integers(1, _VOCABULARY))
def test_top_k_keeps_exactly_what_a_full_sort_keeps_ties_included(
    values: list[float], k: int
) -> None:
    logits = np.resize(np.float32(values), (1, _VOCABULARY))
    kept = np.asarray(jax.jit(methods.top_k_mask)(logits, k))[0]
    assert kept.sum() == k
    np.testing.assert_array_equal(kept, _full_sort(logits[0], np.ones(_VOCABULARY), k))


def test_top_p_at_a_large_vocabulary_is_the_set_of_a_float64_sort() -> None:
    logits = np.random.default_rng(0).normal(0, 3, (8, 49152)).astype(np.float32)
    kept = np.asarray(methods.top_p_mask(logits, methods.probability_masses(logits), 0.9))
    exact = np.exp(logits.astype(np.float64))
    exact /= exact.sum(-1, keepdims=True)
    for row in range(8):
        order = np.argsort(-logits[row], kind="stable")
        before = np.cumsum(exact[row, order]) - exact[row, order]
        surely, never = order[before < 0.9 - 1e-5], order[before > 0.9 + 1e-5]
        assert kept[row, surely].all()
        assert not kept[row, never].any()
        assert 0 < len(surely) < 49152 - len(never) + 3


def test_random_bits_are_those_of_threefry_by_key_sample_and_position() -> None:
    keys = np.array([[3, 5], [3, 5], [7, 2**32 - 1]], np.uint32)
    samples, positions = np.array([0, 1, 99]), np.array([4, 4, 2**31 - 1])
    bits = methods.random_bits(keys, samples, positions)
    for row in range(3):
        count = jnp.asarray([samples[row], positions[row]], jnp.uint32)
        assert int(bits[row]) == int(threefry_2x32(jnp.asarray(keys[row]), count)[0])


def test_the_key_of_a_problem_depends_on_seed_and_id_and_is_fixed_for_all_time() -> None:
    assert methods.problem_key(0, "gsm8k-train/0a").tolist() == [114451863, 2730498715]
    names = ("a", "b", "1a")
    keys = {tuple(methods.problem_key(seed, name)) for seed in (0, 1) for name in names}
    assert len(keys) == 6


def _draws(method: methods.TemperatureSampling, logits: np.ndarray, count: int) -> np.ndarray:
    keys = np.broadcast_to(methods.problem_key(0, "x"), (count, 2))
    bits = methods.random_bits(keys, np.arange(count), np.zeros(count, np.int32))
    rows = np.broadcast_to(logits, (count, len(logits)))
    return np.bincount(np.asarray(jax.jit(method)(bits, rows)), minlength=len(logits))


@pytest.mark.parametrize(
    ("method", "kept"),
    [
        (methods.TemperatureSampling(1.0), 300),
        (methods.TemperatureSampling(0.7), 300),
        (methods.TemperatureSampling(1.0, top_k=5), 5),
        (methods.TemperatureSampling(1.3, top_p=0.8), None),
        (methods.TemperatureSampling(0.7, top_k=20, top_p=0.5), None),
    ],
)
def test_draws_follow_the_exact_probabilities(
    method: methods.TemperatureSampling, kept: int | None
) -> None:
    """Chi-square at 20,000 draws, tokens expected fewer than 5 times pooled."""
    logits = np.random.default_rng(1).normal(0, 1.5, 300).astype(np.float32)
    exact = np.exp(logits.astype(np.float64) / method.temperature)
    order = np.argsort(-exact)
    if method.top_k:
        exact[order[method.top_k :]] = 0
    exact /= exact.sum()
    if method.top_p < 1:
        before = np.cumsum(exact[order]) - exact[order]
        exact[order[before >= method.top_p]] = 0
        exact /= exact.sum()
    assert kept is None or (exact > 0).sum() == kept
    counts = _draws(method, logits, 20_000)
    assert counts[exact == 0].sum() == 0
    expected = exact * 20_000
    common = expected >= 5
    observed = np.append(counts[common], counts[~common].sum())
    expected = np.append(expected[common], max(expected[~common].sum(), 1e-9))
    statistic = ((observed - expected) ** 2 / expected)[expected > 1e-6].sum()
    freedom = (expected > 1e-6).sum() - 1
    # Mean `freedom`, standard deviation sqrt(2 · freedom); the bits are fixed, so it never flakes.
    assert statistic < freedom + 4 * np.sqrt(2 * freedom)


@settings(max_examples=100, deadline=None)
@given(
    bits=st.integers(0, 2**32 - 1),
    masses=st.lists(st.integers(0, 2**20), min_size=1, max_size=600).filter(any),
)
def test_a_draw_is_the_exact_inverse_of_the_cumulative_masses(bits: int, masses: list[int]) -> None:
    padded = np.zeros((1, 600), np.int32)
    padded[0, : len(masses)] = masses
    drawn = int(jax.jit(methods.draw_tokens)(np.array([bits], np.uint32), padded)[0])
    ends = np.cumsum(padded[0].astype(np.int64))
    assert drawn == np.searchsorted(ends, bits * int(ends[-1]) >> 32, side="right")
    assert padded[0, drawn] > 0


def test_the_smallest_and_largest_bits_draw_the_first_and_last_possible_token() -> None:
    masses = np.array([[0, methods.ONE // 2, 0, methods.ONE // 2, 0]] * 2, np.int32)
    drawn = methods.draw_tokens(np.array([0, 2**32 - 1], np.uint32), masses)
    assert drawn.tolist() == [1, 3]


def test_greedy_takes_the_lowest_id_of_equals() -> None:
    logits = np.array([[0.0, 2.0, 2.0], [5.0, 1.0, 5.0]], np.float32)
    assert methods.Greedy()(np.zeros(2, np.uint32), logits).tolist() == [1, 0]


def test_a_token_with_impossible_logit_is_never_drawn() -> None:
    logits = np.array([-np.inf, 0.0, -np.inf, 0.0], np.float32)
    counts = _draws(methods.TemperatureSampling(1.0, top_p=0.99), logits, 1000)
    assert counts[[0, 2]].sum() == 0
    assert counts[[1, 3]].min() > 400


def test_log_probability_is_at_temperature_1_whatever_the_method() -> None:
    logits = np.log(np.array([[0.5, 0.25, 0.25]], np.float32)) + 7
    found = methods.log_probability(logits, np.array([1]))
    np.testing.assert_allclose(found, np.log(0.25), rtol=1e-6)


def test_temperature_zero_is_greedy() -> None:
    assert methods.method_of(SampleSettings(temperature=0)) == methods.Greedy()
    assert methods.method_of(
        SampleSettings(temperature=0.7, top_p=0.9, top_k=3)
    ) == methods.TemperatureSampling(0.7, 3, 0.9)


@pytest.mark.parametrize(
    "wrong",
    [
        {"num_samples": 0},
        {"temperature": -1},
        {"top_p": 0},
        {"top_p": 1.1},
        {"over_long": "drop"},
        {"dtype": "float16"},
        {"stop": ("",)},
        {"slots": 10, "group": 4},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict) -> None:
    with pytest.raises(UserError, match=f"sample.{next(iter(wrong))}"):
        SampleSettings(**wrong)
