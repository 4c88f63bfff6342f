from __future__ import annotations

from fractions import Fraction
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rft_jax.errors import UserError
from rft_jax.evaluation.compare import (
    compare,
    holm,
    mcnemar_exact,
    paired_interval,
    with_holm,
)
from rft_jax.evaluation.intervals import tango_interval

SHARES = st.sampled_from([Fraction(0), Fraction(1, 3), Fraction(1)])


def _scores(text: str) -> dict[str, Fraction | None]:
    return {f"q{i}": Fraction(int(c)) for i, c in enumerate(text)}


def _alone(a: str, b: str, **more: Any) -> dict[str, Any]:
    return compare({0: _scores(a)}, {0: _scores(b)}, **more)


def test_mcnemar_is_the_binomial_tail_doubled() -> None:
    assert mcnemar_exact(0, 5) == 2 / 32
    assert mcnemar_exact(5, 0) == 2 / 32
    assert mcnemar_exact(1, 6) == pytest.approx(2 * (1 + 7) / 128)
    assert mcnemar_exact(4, 4) == mcnemar_exact(0, 0) == 1.0
    assert 0 < mcnemar_exact(100, 900) < 1e-100


def test_holms_p_values_are_those_worked_out_by_hand() -> None:
    # Sorted .01, .02, .03, .04: times 4, 3, 2 and 1, then none below the one before it.
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([0.04]) == [0.04]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holms_p_values_are_not_smaller_keep_their_order_and_follow_their_comparison(p_values):
    adjusted = holm(p_values)
    assert all(p <= q <= 1 for p, q in zip(p_values, adjusted, strict=True))
    assert sorted(adjusted) == [
        adjusted[i] for i in sorted(range(len(adjusted)), key=lambda i: (p_values[i], adjusted[i]))
    ]
    assert holm(p_values[::-1]) == adjusted[::-1]


def test_two_models_are_compared_question_by_question() -> None:
    result = _alone("1111110000", "1000001000")
    assert result["difference"] == pytest.approx(0.4)
    assert (result["only_a"], result["only_b"], result["n"]) == (5, 1, 10)
    assert result["p_value"] == mcnemar_exact(5, 1)
    assert result["test"] == "mcnemar_exact"
    assert result["ci95"] == list(paired_interval(5, 1, 10))
    assert result["ci95"][0] < 0.4 < result["ci95"][1]


def test_one_training_each_says_nothing_about_the_method() -> None:
    result = _alone("1111110000", "1000001000")
    assert result["method"] is None
    assert result["trainings"] == {"a": 1, "b": 1}


@pytest.mark.parametrize("n", [8, 32])
def test_equal_answers_to_few_questions_leave_the_difference_open(n: int) -> None:
    for a in ("0" * n, "1" * n, "01" * (n // 2)):
        result = _alone(a, a)
        assert result["difference"] == 0 and result["p_value"] == 1.0
        assert result["ci95"][0] < -0.1 and result["ci95"][1] > 0.1


def test_the_interval_contains_0_where_the_exact_test_does_not_reject_it() -> None:
    low, high = tango_interval(5, 0, 32)
    assert low > 0 and mcnemar_exact(5, 0) == 0.0625
    assert paired_interval(5, 0, 32) == (0.0, high)
    assert paired_interval(0, 5, 32) == (-high, 0.0)


def test_mcnemars_exact_test_is_the_stricter_one() -> None:
    """So the interval needs to be extended and never to be cut."""
    for differing in range(1, 150):
        rejected = [a for a in range(differing // 2) if mcnemar_exact(a, differing - a) < 0.05]
        if rejected:
            assert (differing - 2 * max(rejected)) ** 2 / differing > 1.959964**2


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(SHARES, SHARES, SHARES, SHARES), min_size=1, max_size=14), st.booleans())
def test_p_value_and_interval_agree_and_a_and_b_may_change_places(questions, several) -> None:
    runs = [{f"q{i}": row[column] for i, row in enumerate(questions)} for column in range(4)]
    a, b = (
        ({0: runs[0], 1: runs[1]}, {0: runs[2], 1: runs[3]})
        if several
        else ({0: runs[0]}, {0: runs[2]})
    )
    one, other = compare(a, b, resamples=400), compare(b, a, resamples=400)
    low, high = one["ci95"]
    assert low - 1e-9 <= one["difference"] <= high + 1e-9 and high - low > 0.05
    assert (low <= 0 <= high) == (one["p_value"] >= 0.05)
    assert other["difference"] == -one["difference"]
    assert other["ci95"] == pytest.approx([-high, -low]) and other["p_value"] == pytest.approx(
        one["p_value"]
    )
    if several:
        method, mirrored = one["method"], other["method"]
        assert mirrored["ci95"] == [-bound for bound in reversed(method["ci95"])]
        assert mirrored["p_value"] == pytest.approx(method["p_value"])


def test_neither_the_order_of_questions_nor_that_of_seeds_matters() -> None:
    rng = Random(0)
    a, b = ({seed: _scores("".join(rng.choices("01", k=60))) for seed in range(3)} for _ in "ab")
    once = compare(a, b, resamples=300)
    questions = list(a[0])
    rng.shuffle(questions)
    shuffled = [
        {seed: {q: runs[seed][q] for q in questions} for seed in (2, 0, 1)} for runs in (a, b)
    ]
    assert compare(*shuffled, resamples=300) == once
    assert once["method"]["trainings"] == 3
    assert compare(a, b, resamples=300, seed=1)["method"]["ci95"] != once["method"]["ci95"]


def test_pooling_counts_a_question_once_however_many_seeds_it_has() -> None:
    a, b = _scores("1111110000"), _scores("1000001000")
    once = compare({0: a}, {0: b})
    thrice = compare(dict.fromkeys(range(3), a), dict.fromkeys(range(3), b), resamples=200)
    assert thrice["p_value"] == once["p_value"]
    assert thrice["ci95"] == once["ci95"]
    assert thrice["n"] == 10


def test_pooling_averages_the_seeds_and_shows_each() -> None:
    a, b = {0: _scores("1100"), 1: _scores("1110")}, {0: _scores("0100"), 1: _scores("1000")}
    result = compare(a, b, resamples=500)
    assert result["by_seed"] == [0.25, 0.5]
    assert result["difference"] == pytest.approx(0.375)
    assert result["test"] == "t_test"


@pytest.mark.parametrize("swapped", [False, True])
def test_a_single_model_is_compared_with_each_training_of_the_other(swapped: bool) -> None:
    several, one = {0: _scores("1110"), 1: _scores("1000")}, {5: _scores("1000")}
    result = compare(*((one, several) if swapped else (several, one)), resamples=100)
    assert [abs(d) for d in result["by_seed"]] == [0.5, 0.0]
    assert result["trainings"] == ({"a": 1, "b": 2} if swapped else {"a": 2, "b": 1})


def test_other_seeds_are_refused() -> None:
    runs = {seed: _scores("10") for seed in range(3)}
    with pytest.raises(ValueError, match=r"seeds \[0, 1\] against \[0, 2\]"):
        compare({0: runs[0], 1: runs[1]}, {0: runs[0], 2: runs[2]})


def test_a_pages_comparisons_are_adjusted_by_what_they_claim() -> None:
    model = {"p_value": 0.001, "method": None}
    method = {"p_value": 0.0, "method": {"p_value": 0.04}}
    assert [one["p_holm"] for one in with_holm([model, method])] == [0.002, 0.04]


def test_runs_on_other_questions_are_refused_by_name() -> None:
    with pytest.raises(UserError, match="'q3' is in one run and not in the other"):
        _alone("1111", "111")
    with pytest.raises(UserError, match="no questions"):
        _alone("", "")
