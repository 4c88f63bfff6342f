from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rft_jax.evaluation.intervals import bootstrap_interval, mean_with_ci, wilson_interval


def test_wilson_interval_has_the_published_values() -> None:
    # Newcombe 1998 (Statistics in Medicine 17), table I, method 3.
    for successes, n, low, high in [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ]:
        assert wilson_interval(successes, n) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(0, 500), st.integers(1, 500))
def test_wilson_interval_contains_the_share_and_stays_in_0_to_1(successes: int, n: int) -> None:
    successes = min(successes, n)
    low, high = wilson_interval(successes, n)
    assert 0 <= low <= successes / n <= high <= 1
    mirrored = wilson_interval(n - successes, n)
    assert (1 - mirrored[1], 1 - mirrored[0]) == pytest.approx((low, high))


def test_wilson_interval_refuses_more_successes_than_trials() -> None:
    with pytest.raises(ValueError, match="5 successes of 4"):
        wilson_interval(5, 4)


def test_bootstrap_interval_agrees_with_the_normal_one() -> None:
    values = np.random.default_rng(0).normal(0.3, 1.0, size=3000)
    half = 1.96 * values.std() / 3000**0.5
    low, high = bootstrap_interval(values, resamples=5000, seed=0)
    assert low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_bootstrap_interval_depends_on_its_seed_alone() -> None:
    values = np.linspace(0, 1, 50)
    once = bootstrap_interval(values, 1000, seed=3)
    assert once == bootstrap_interval(list(values), 1000, seed=3)
    assert once != bootstrap_interval(values, 1000, seed=4)


def test_means_of_zeros_and_ones_have_wilsons_interval_and_shares_a_bootstrap() -> None:
    assert mean_with_ci([1, 1, 0, 1]) == {
        "value": 0.75,
        "ci95": list(wilson_interval(3, 4)),
        "n": 4,
    }
    shares = [0.5, 1.0, 0.25, 0.75]
    assert mean_with_ci(shares, 1000, 7)["ci95"] == list(bootstrap_interval(shares, 1000, 7))
    assert mean_with_ci([])["ci95"] == [0.0, 1.0]
