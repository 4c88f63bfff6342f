"""A line through metrics: slope, R², and intervals over seeds and questions."""

from __future__ import annotations

import numpy as np
import pytest

from rft_jax.evaluation.fits import fit_line, fit_seeds
from rft_jax.evaluation.trainings import student_t

XS = np.array([0.0, 1.0, 2.0])


def test_slope_and_intercept_are_those_of_the_normal_equations():
    rng = np.random.default_rng(0)
    x = rng.normal(size=9)
    y = 2 * x - 1 + rng.normal(size=9)
    fit = fit_line(x, y)
    (slope, intercept), (squares,), *_ = np.linalg.lstsq(np.stack([x, x**0], 1), y)
    assert fit["slope"] == pytest.approx(slope, rel=1e-12)
    assert fit["intercept"] == pytest.approx(intercept, rel=1e-12)
    assert fit["r2"] == pytest.approx(1 - squares / ((y - y.mean()) ** 2).sum(), rel=1e-12)
    assert fit["n"] == 9
    assert "ci95" not in fit  # points are not independent trainings


def test_a_seed_is_one_observation_of_the_slope_however_many_points_it_has():
    ys = np.array([[0.1, 0.2, 0.3], [0.1, 0.3, 0.5], [0.2, 0.35, 0.5]])  # slopes .1, .2 and .15
    fit = fit_seeds(np.tile(XS, (3, 1)), ys)
    assert fit["by_seed"] == pytest.approx([0.1, 0.2, 0.15])
    assert fit["slope"] == pytest.approx(0.15)
    # By hand: standard error 0.05 / sqrt(3); t with 2 degrees of freedom is 4.302653.
    half = 4.302653 * 0.05 / 3**0.5
    assert fit["method"]["ci95_t"] == pytest.approx([0.15 - half, 0.15 + half], abs=1e-6)
    assert fit["method"]["trainings"] == 3 and fit["n"] == 9


def test_one_seed_has_an_interval_over_questions_alone():
    right = (np.random.default_rng(2).random((1, 3, 200)) < 0.5).astype(float)
    fit = fit_seeds(XS[None], right.mean(2), right)
    assert fit["method"] is None
    low, high = fit["ci95_questions"]
    assert low < fit["slope"] < high
    assert fit_seeds(XS[None], right.mean(2))["ci95_questions"] is None


def test_the_interval_over_questions_covers_the_slope_nineteen_times_in_twenty():
    rng = np.random.default_rng(2)
    chances, hits = np.array([0.3, 0.5, 0.7]), 0
    for _ in range(300):
        right = (rng.random((1, 3, 200)) < chances[:, None]).astype(float)
        low, high = fit_seeds(XS[None], right.mean(2), right)["ci95_questions"]
        hits += low <= 0.2 <= high
    assert 0.92 < hits / 300 < 0.98


def test_seeds_with_points_of_their_own_have_their_own_weights():
    xs = np.array([[0.0, 1.0, 2.0], [0.0, 2.0, 4.0]])
    questions = np.stack([np.stack([0.1 * x + np.array([0.0, 0.2])], 0) for row in xs for x in row])
    questions = questions.reshape(2, 3, 2)
    fit = fit_seeds(xs, questions.mean(2), questions, resamples=200)
    assert fit["by_seed"] == pytest.approx([0.1, 0.1])
    assert fit["method"]["ci95_t"] is None or student_t(np.array(fit["by_seed"]), -1, 1)[0]


def test_questions_that_all_points_share_hardly_widen_the_slopes_interval():
    # Easy and hard questions move all points together: the slope is the same on each of them.
    right = np.array(
        [[0.0] * 500 + [0.5] * 500, [0.1] * 500 + [0.6] * 500, [0.2] * 500 + [0.7] * 500]
    )
    fit = fit_seeds(XS[None], right.mean(1)[None], right[None])
    assert fit["ci95_questions"] == pytest.approx([0.1, 0.1], abs=0.003)


def test_constant_metrics_are_a_perfect_fit():
    fit = fit_line([0, 1, 2], [0.5, 0.5, 0.5])
    assert (fit["slope"], fit["intercept"], fit["r2"]) == (0.0, 0.5, 1.0)


def test_one_value_of_x_has_no_line():
    with pytest.raises(ValueError, match="two different xs"):
        fit_line([1, 1], [1, 3])
