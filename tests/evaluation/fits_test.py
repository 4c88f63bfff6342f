"""A line through metrics: slope, R², and intervals with their nominal coverage."""

from __future__ import annotations

import numpy as np
import pytest

from rft_jax.evaluation.fits import fit_line


def test_slope_intercept_and_interval_are_those_of_the_normal_equations():
    rng = np.random.default_rng(0)
    x = rng.normal(size=9)
    y = 2 * x - 1 + rng.normal(size=9)
    fit = fit_line(x, y)
    (slope, intercept), (squares,), *_ = np.linalg.lstsq(np.stack([x, x**0], 1), y)
    assert fit["slope"] == pytest.approx(slope, rel=1e-12)
    assert fit["intercept"] == pytest.approx(intercept, rel=1e-12)
    assert fit["r2"] == pytest.approx(1 - squares / ((y - y.mean()) ** 2).sum(), rel=1e-12)
    # 2.3646 is the 97.5 % quantile of Student's t with 7 degrees of freedom.
    half = 2.364624251592785 * np.sqrt(squares / 7 / ((x - x.mean()) ** 2).sum())
    assert fit["ci95"] == pytest.approx([slope - half, slope + half], rel=1e-9)
    assert fit["n"] == 9


def test_the_interval_covers_the_true_slope_nineteen_times_in_twenty():
    rng = np.random.default_rng(1)
    x = np.array([0.0, 1, 2, 3, 4, 5])
    hits = 0
    for _ in range(1000):
        low, high = fit_line(x, 0.5 * x + rng.normal(size=6))["ci95"]
        hits += low <= 0.5 <= high
    assert 0.93 < hits / 1000 < 0.97


def test_the_interval_over_questions_covers_too():
    rng = np.random.default_rng(2)
    x, chances = np.array([0.0, 1, 2]), np.array([0.3, 0.5, 0.7])
    hits = 0
    for seed in range(150):
        right = (rng.random((3, 200)) < chances[:, None]).astype(float)
        low, high = fit_line(x, right.mean(1), right, 300, seed)["ci95_questions"]
        hits += low <= 0.2 <= high
    assert 0.90 < hits / 150 < 0.99


def test_questions_that_all_points_share_do_not_widen_the_slopes_interval():
    # Easy and hard questions move all points together: the slope is the same on each of them.
    right = np.array([[0.0] * 50 + [0.5] * 50, [0.1] * 50 + [0.6] * 50, [0.2] * 50 + [0.7] * 50])
    fit = fit_line([0, 1, 2], right.mean(1), right)
    assert fit["ci95_questions"] == pytest.approx([0.1, 0.1])


def test_constant_metrics_are_a_perfect_fit():
    fit = fit_line([0, 1, 2], [0.5, 0.5, 0.5])
    assert (fit["slope"], fit["intercept"], fit["r2"]) == (0.0, 0.5, 1.0)


def test_two_points_have_no_interval_and_one_no_line():
    assert fit_line([0, 1], [1, 3])["ci95"] is None
    with pytest.raises(ValueError, match="two different xs"):
        fit_line([1, 1], [1, 3])
