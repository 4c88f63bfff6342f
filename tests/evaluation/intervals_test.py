from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rft_jax.evaluation.intervals import (
    bounded_interval,
    bounded_t_test,
    mean_with_ci,
    tango_interval,
    wilson_interval,
)

PAIRS = st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(0, 200)).filter(any)
SHARES = st.lists(st.sampled_from([0.0, 0.25, 1 / 3, 0.5, 1.0]), min_size=1, max_size=40)


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
    assert high - low > 0.001
    mirrored = wilson_interval(n - successes, n)
    assert (1 - mirrored[1], 1 - mirrored[0]) == pytest.approx((low, high))


def test_wilson_interval_refuses_more_successes_than_trials() -> None:
    with pytest.raises(ValueError, match="5 successes of 4"):
        wilson_interval(5, 4)


def test_tango_interval_has_the_published_values() -> None:
    # Fagerland, Lydersen and Laake 2014 (Statistics in Medicine 33): 1 and 7 of 21 pairs.
    assert tango_interval(1, 7, 21) == pytest.approx((-0.517, -0.026), abs=5e-4)


@pytest.mark.parametrize("n", [1, 8, 32, 2000])
def test_tango_interval_without_any_difference_is_z2_over_n_plus_z2(n: int) -> None:
    bound = 1.959964**2 / (n + 1.959964**2)  # by hand: q is |D|, so n D² = z² (|D| - D²)
    assert tango_interval(0, 0, n) == pytest.approx((-bound, bound), rel=1e-5)


def test_tango_interval_is_what_the_score_test_does_not_reject() -> None:
    """On a grid, with the constrained likelihood maximised by trying all values."""
    only_a, only_b, n = 9, 3, 30
    differences = np.linspace(-0.999, 0.999, 1999)
    kept = []
    for difference in differences:
        share = np.linspace(max(0.0, -difference), (1 - difference) / 2, 4001)[1:-1]
        rest = 1 - 2 * share - difference
        with np.errstate(divide="ignore", invalid="ignore"):
            likelihood = only_a * np.log(share + difference) + only_b * np.log(share)
            likelihood += (n - only_a - only_b) * np.log(rest)
        best = share[np.nanargmax(likelihood)]
        variance = n * (2 * best + difference - difference**2)
        if (only_a - only_b - n * difference) ** 2 <= 1.959964**2 * variance:
            kept.append(difference)
    assert tango_interval(only_a, only_b, n) == pytest.approx((kept[0], kept[-1]), abs=0.0015)


@given(PAIRS)
def test_tango_interval_contains_the_difference_is_open_and_symmetric(pairs) -> None:
    only_a, only_b, same = pairs
    n = only_a + only_b + same
    low, high = tango_interval(only_a, only_b, n)
    assert -1 <= low <= (only_a - only_b) / n <= high <= 1
    assert high - low > 0.001
    assert tango_interval(only_b, only_a, n) == (-high, -low)


def test_tango_interval_refuses_more_differences_than_questions() -> None:
    with pytest.raises(ValueError, match="3 and 2 of 4"):
        tango_interval(3, 2, 4)


def test_the_bounded_interval_of_pairs_is_bonett_and_prices_with_t() -> None:
    # (b + 1, c + 1, n + 2) = (2, 8, 23): mean -6/23; the 97.5 % quantile of t with 22 is 2.073873.
    values = [1.0] + [-1.0] * 7 + [0.0] * 13
    mean = -6 / 23
    half = 2.073873 * ((10 - 23 * mean**2) / 22 / 23) ** 0.5
    interval = bounded_interval(bounded_t_test(values, -1.0, 1.0), -1.0, 1.0)
    assert interval == pytest.approx((mean - half, mean + half), abs=1e-6)


@given(SHARES, st.booleans())
def test_the_bounded_interval_contains_the_mean_and_stays_within_its_bounds(values, signed) -> None:
    low = -1.0 if signed else 0.0
    test = bounded_t_test(values, low, 1.0)
    interval = bounded_interval(test, low, 1.0)
    assert low <= interval[0] <= np.mean(values) + 1e-12
    assert np.mean(values) - 1e-12 <= interval[1] <= 1
    assert interval[1] - interval[0] > 0.01
    inside = interval[0] <= 0 <= interval[1]
    assert not signed or inside == (test.pvalue >= 0.05)


def test_the_bounded_interval_of_a_share_covers_it_nineteen_times_in_twenty() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(500):
        chances = rng.beta(4, 1, size=60)  # questions differ; their mean is 0.8
        low, high = mean_with_ci(rng.binomial(4, chances) / 4)["ci95"]
        hits += low <= 0.8 <= high
    assert 0.93 < hits / 500 < 0.98


def test_means_of_zeros_and_ones_have_wilsons_interval_and_shares_the_bounded_one() -> None:
    assert mean_with_ci([1, 1, 0, 1]) == {
        "value": 0.75,
        "ci95": list(wilson_interval(3, 4)),
        "n": 4,
    }
    shares = [0.5, 1.0, 0.25, 0.75]
    bounded = bounded_interval(bounded_t_test(shares, 0.0, 1.0), 0.0, 1.0)
    assert mean_with_ci(shares)["ci95"] == list(bounded)
    assert mean_with_ci([])["ci95"] == [0.0, 1.0]
    assert mean_with_ci([0.5] * 8)["ci95"] == [
        pytest.approx(0.3314, abs=5e-4),
        pytest.approx(0.6686, abs=5e-4),
    ]
