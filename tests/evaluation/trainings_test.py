"""Intervals over trainings and questions."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rft_jax.evaluation.trainings import over_trainings, student_t

VALUES = st.integers(2, 4).flatmap(
    lambda trainings: st.lists(
        st.tuples(*[st.sampled_from([-1.0, -0.5, 0.0, 1.0])] * trainings), min_size=1, max_size=12
    )
)


@pytest.mark.parametrize(
    ("by_seed", "interval"),
    [((0.149, 0.119, 0.149), (0.096, 0.182)), ((0.057, 0.0695, 0.106), (0.014, 0.141))],
)
def test_students_t_over_the_quickstarts_trainings(by_seed, interval) -> None:
    # By hand for the first: mean 0.139, standard error 0.01; t with 2 degrees of freedom is 4.3027.
    bounds, p_value = student_t(np.array(by_seed), -1.0, 1.0)
    assert bounds == pytest.approx(interval, abs=5e-4)
    assert p_value is not None and p_value < 0.05


def test_one_training_or_equal_ones_have_no_students_t() -> None:
    assert student_t(np.array([0.1]), -1.0, 1.0) == (None, None)
    assert student_t(np.array([0.1, 0.1]), -1.0, 1.0) == (None, None)


def test_equal_trainings_have_the_least_p_value_that_the_resamples_can_say() -> None:
    found = over_trainings(np.ones((3, 200)), -1.0, 1.0, resamples=1000)
    assert found is not None and found["ci95_t"] is None
    assert found["p_value"] == pytest.approx(2 / 1000)


def test_one_training_has_no_interval_of_the_method() -> None:
    assert over_trainings(np.ones((1, 50)), 0.0, 1.0) is None


def test_the_hierarchical_bootstrap_is_the_enumeration_of_all_resamples() -> None:
    """Two trainings, one question and the two that are added: 4 * 27 equally likely resamples."""
    values = np.array([[1.0], [0.5]])
    augmented = np.hstack((values, [[-1.0, 1.0]] * 2))
    means = [
        augmented[np.ix_(trainings, questions)].mean()
        for trainings in product(range(2), repeat=2)
        for questions in product(range(3), repeat=3)
    ]
    found = over_trainings(values, -1.0, 1.0, resamples=40_000)
    bounds = np.quantile(means, [0.025, 0.975], method="inverted_cdf")
    assert found is not None and found["ci95"] == pytest.approx(list(bounds))


def test_trainings_widen_the_interval_and_questions_that_all_share_do_not_shrink_it() -> None:
    rng = np.random.default_rng(0)
    question = rng.normal(0, 0.2, size=400)
    apart = np.array([[-0.2], [0.0], [0.2]])
    alike = over_trainings(0 * apart + question, -1.0, 1.0, 2000)
    differing = over_trainings(apart + question, -1.0, 1.0, 2000)
    assert alike is not None and differing is not None
    half = np.ptp(alike["ci95"]) / 2
    assert half == pytest.approx(1.96 * 0.2 / 400**0.5, rel=0.15)  # as with one training
    assert np.ptp(differing["ci95"]) / 2 > 8 * half
    assert alike["ci95_t"] is None  # equal trainings do not show how others would differ


@settings(deadline=None, max_examples=40)
@given(VALUES)
def test_the_interval_contains_the_mean_is_open_and_agrees_with_its_p_value(columns) -> None:
    values = np.array(columns).T
    found = over_trainings(values, -1.0, 1.0, resamples=2000)
    assert found is not None
    low, high = found["ci95"]
    assert low - 1e-9 <= values.mean() <= high + 1e-9
    assert high - low > 0.05
    intervals = [one for one in (found["ci95"], found["ci95_t"]) if one]
    inside = any(low <= 0 <= high for low, high in intervals)
    assert inside == (found["p_value"] >= 0.05)


@settings(deadline=None, max_examples=40)
@given(VALUES)
def test_the_other_sign_gives_the_mirrored_interval_and_the_same_p_value(columns) -> None:
    values = np.array(columns).T
    one, other = (over_trainings(v, -1.0, 1.0, resamples=500) for v in (values, -values))
    assert one is not None and other is not None
    assert other["p_value"] == pytest.approx(one["p_value"])
    assert other["ci95"] == pytest.approx(
        [-bound + 0.0 for bound in reversed(one["ci95"])], abs=0.2
    )


def test_the_seed_alone_decides_what_is_resampled() -> None:
    values = np.random.default_rng(0).random((3, 30))
    once = over_trainings(values, 0.0, 1.0, 500, seed=3)
    assert once == over_trainings(values.copy(), 0.0, 1.0, 500, seed=3)
    assert once != over_trainings(values, 0.0, 1.0, 500, seed=4)
    assert once is not None and "p_value" not in once  # a share is not compared with 0


@pytest.mark.parametrize("spread", [0.0, 0.01, 0.1])
def test_without_a_difference_at_most_one_p_value_in_twenty_is_below_five_percent(
    spread: float,
) -> None:
    """Whether trainings or questions differ more, each of which one of the intervals ignores."""
    rng, found = np.random.default_rng(0), []
    for _ in range(150):
        trainings, questions = rng.normal(0, spread, (3, 1)), rng.normal(0, 0.2, 100)
        values = (trainings + questions + rng.normal(0, 0.1, (3, 100))).clip(-1, 1)
        result = over_trainings(values, -1.0, 1.0, resamples=400)
        assert result is not None
        found.append(result["p_value"])
    assert np.mean(np.array(found) < 0.05) <= 0.06
