from __future__ import annotations

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rft_jax.errors import UserError
from rft_jax.evaluation.compare import (
    compare,
    mcnemar_exact,
    paired_p_value,
    sign_flip_exact,
    sign_flip_sampled,
)


def _scores(text: str) -> dict[str, Fraction]:
    return {f"q{i}": Fraction(int(c)) for i, c in enumerate(text)}


def test_mcnemar_is_the_binomial_tail_doubled() -> None:
    assert mcnemar_exact(0, 5) == 2 / 32
    assert mcnemar_exact(5, 0) == 2 / 32
    assert mcnemar_exact(1, 6) == pytest.approx(2 * (1 + 7) / 128)
    assert mcnemar_exact(4, 4) == mcnemar_exact(0, 0) == 1.0
    assert 0 < mcnemar_exact(100, 900) < 1e-100


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(-4, 4), min_size=1, max_size=9))
def test_the_sign_flip_test_counts_all_sign_patterns(differences: list[int]) -> None:
    seen = abs(sum(differences))
    sums = [
        abs(sum(sign * d for sign, d in zip(signs, differences, strict=True)))
        for signs in product((-1, 1), repeat=len(differences))
    ]
    assert sign_flip_exact(differences) == pytest.approx(sum(s >= seen for s in sums) / len(sums))


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 5))
def test_the_sign_flip_test_of_ones_is_mcnemars(only_a: int, only_b: int, same: int) -> None:
    differences = [1] * only_a + [-1] * only_b + [0] * same
    if differences:
        assert sign_flip_exact(differences) == pytest.approx(mcnemar_exact(only_a, only_b))


def test_sampled_sign_flips_agree_with_all_of_them() -> None:
    differences = [3, -1, 2, 1, 1, -2, 3, 0, 1, 2, -1, 1]
    drawn = sign_flip_sampled([float(d) for d in differences], seed=0, flips=50_000)
    assert drawn == pytest.approx(sign_flip_exact(differences), abs=0.01)


def test_under_the_null_hypothesis_five_percent_of_p_values_are_below_five_percent() -> None:
    rng = np.random.default_rng(0)
    p_values = [
        sign_flip_exact((rng.binomial(3, 0.5, 200) - rng.binomial(3, 0.5, 200)).tolist())
        for _ in range(400)
    ]
    assert 0.02 < np.mean(np.array(p_values) < 0.05) < 0.08


def test_two_runs_are_compared_question_by_question() -> None:
    result = compare([_scores("1111110000")], [_scores("1000001000")], resamples=2000)
    assert result["difference"] == pytest.approx(0.4)
    assert (result["only_a"], result["only_b"], result["n"]) == (5, 1, 10)
    assert result["p_value"] == mcnemar_exact(5, 1)
    assert result["test"] == "mcnemar_exact"
    assert result["ci95"][0] < 0.4 < result["ci95"][1]


def test_pooling_counts_a_question_once_however_many_seeds_it_has() -> None:
    a, b = _scores("1111110000"), _scores("1000001000")
    once, thrice = compare([a], [b]), compare([a] * 3, [b] * 3)
    assert thrice["p_value"] == pytest.approx(once["p_value"])
    assert thrice["ci95"] == pytest.approx(once["ci95"])
    assert thrice["n"] == 10


def test_pooling_averages_the_seeds_and_shows_each() -> None:
    result = compare(
        [_scores("1100"), _scores("1110")], [_scores("0100"), _scores("1000")], resamples=500
    )
    assert result["by_seed"] == [0.25, 0.5]
    assert result["difference"] == pytest.approx(0.375)
    assert result["test"] == "sign_flip_exact"
    assert result["p_value"] == sign_flip_exact([1, 1, 1, 0])


def test_shares_with_unlike_denominators_fall_back_to_sampled_signs() -> None:
    differences = [Fraction(1, p) for p in (101, 103, 107, 109)]
    p_value, test = paired_p_value(differences, seed=0)
    assert test == "sign_flip_sampled"
    assert p_value == pytest.approx(2 / 16, abs=0.01)


def test_runs_on_other_questions_are_refused_by_name() -> None:
    with pytest.raises(UserError, match="'q3' is in one run and not in the other"):
        compare([_scores("1111")], [_scores("111")])
    with pytest.raises(UserError, match="no questions"):
        compare([{}], [{}])
