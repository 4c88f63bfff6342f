"""A straight line through metrics, with intervals of its slope.

The conditions of one seed share their samples and weights, so its points are one observation of the
slope, not several: intervals are over seeds and over questions, never over points.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rft_jax.evaluation.intervals import bounded_interval, bounded_t_test
from rft_jax.evaluation.trainings import over_trainings, student_t


def fit_line(xs: Sequence[float] | np.ndarray, ys: Sequence[float] | np.ndarray) -> dict[str, Any]:
    """Least squares through (x, y): `slope`, `intercept`, `r2` and `n` points."""
    from scipy.stats import linregress

    x, y = np.asarray(xs, dtype=np.float64), np.asarray(ys, dtype=np.float64)
    if len(x) != len(y) or len(np.unique(x)) < 2:
        raise ValueError(f"{len(x)} xs, {len(y)} ys: two different xs are needed")
    line = linregress(x, y)
    return {
        "slope": float(line.slope),
        "intercept": float(line.intercept),
        "r2": float(line.rvalue**2) if np.ptp(y) else 1.0,
        "n": len(x),
    }


def fit_seeds(
    xs: np.ndarray,
    ys: np.ndarray,
    questions: np.ndarray | None = None,
    resamples: int = 10_000,
) -> dict[str, Any]:
    """A line through each seed's points, and the mean of the lines.

    Args:
      xs: [seed, point]; a log-linear fit passes logarithms.
      ys: [seed, point]: the metric at each x.
      questions: [seed, point, question]: the shares in [0, 1] whose means are the ys, if they are.
      resamples: number of bootstrap resamples over seeds and questions.

    Returns:
      `slope` and `intercept`, means over the seeds; `r2` of all points; `n` points; `by_seed`, the
      slopes; `ci95_questions` of these models (None without `questions`); `method`, over seeds:
      `over_trainings`, with `ci95` None without `questions`; None with one seed.
    """
    lines = [fit_line(x, y) for x, y in zip(xs, ys, strict=True)]
    slopes = np.array([line["slope"] for line in lines])
    fit: dict[str, Any] = {
        "slope": float(slopes.mean()),
        "intercept": float(np.mean([line["intercept"] for line in lines])),
        "r2": fit_line(np.ravel(xs), np.ravel(ys))["r2"],
        "n": int(np.size(ys)),
        "by_seed": slopes.tolist(),
        "ci95_questions": None,
    }
    if questions is None:
        interval, _ = student_t(slopes, -np.inf, np.inf)
        several = {"trainings": len(slopes), "ci95": None, "ci95_t": interval}
        return fit | {"method": several if len(slopes) > 1 else None}
    weights = _slope_weights(np.asarray(xs, dtype=np.float64))
    by_question = np.einsum("sp,spq->sq", weights, questions)  # whose means are the slopes
    most = float(np.maximum(weights, 0).sum(1).max())
    test = bounded_t_test(by_question.mean(0), -most, most)
    fit["ci95_questions"] = list(bounded_interval(test, -most, most))
    return fit | {"method": over_trainings(by_question, -most, most, resamples)}


def _slope_weights(xs: np.ndarray) -> np.ndarray:
    """[seed, point]: the weights with which a least-squares slope sums its ys."""
    centred = xs - xs.mean(1, keepdims=True)
    return centred / (centred**2).sum(1, keepdims=True)
