"""A line through accuracies: the usual figures, and intervals that cover as often as they say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import linregress, t

from rft_jax.evaluation.fits import fit_line


def test_slope_intercept_and_interval_are_those_of_least_squares():
    rng = np.random.default_rng(0)
    x = rng.normal(size=9)
    y = 2 * x - 1 + rng.normal(size=9)
    fit, known = fit_line(x, y), linregress(x, y)
    assert fit["slope"] == pytest.approx(known.slope)
    assert fit["intercept"] == pytest.approx(known.intercept)
    assert fit["r2"] == pytest.approx(known.rvalue**2)
    half = t.ppf(0.975, 7) * known.stderr
    assert fit["ci95"] == pytest.approx([known.slope - half, known.slope + half])
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


def test_two_points_have_no_interval_and_one_no_line():
    assert fit_line([0, 1], [1, 3])["ci95"] is None
    with pytest.raises(ValueError, match="two different xs"):
        fit_line([1, 1], [1, 3])
