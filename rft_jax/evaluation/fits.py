"""A straight line through metrics, with intervals of its slope."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rft_jax.evaluation.intervals import bootstrap_interval


def fit_line(
    xs: Sequence[float] | np.ndarray,
    ys: Sequence[float] | np.ndarray,
    questions: np.ndarray | None = None,
    resamples: int = 10_000,
    seed: int = 0,
) -> dict[str, Any]:
    """Least squares through (x, y), one point per training run.

    Args:
      xs: the x of each point; a log-linear fit passes logarithms.
      ys: the metric at each x.
      questions: [point, question]: the values whose means are the ys, if they are means.
      resamples: number of bootstrap resamples.
      seed: of the resampling.

    Returns:
      `slope`, `intercept`, `r2`, `n`; `ci95` of the slope by Student's t over independent points:
      how much other training runs would differ, if the relation is linear; None with two points.
      With `questions`, `ci95_questions`: a bootstrap over questions, which all points share.
    """
    from scipy.stats import linregress, t

    x, y = np.asarray(xs, dtype=np.float64), np.asarray(ys, dtype=np.float64)
    if len(x) != len(y) or len(np.unique(x)) < 2:
        raise ValueError(f"{len(x)} xs, {len(y)} ys: two different xs are needed")
    line, freedom = linregress(x, y), len(x) - 2
    half = float(t.ppf(0.975, freedom) * line.stderr) if freedom else None
    fit: dict[str, Any] = {
        "slope": float(line.slope),
        "intercept": float(line.intercept),
        "r2": float(line.rvalue**2) if np.ptp(y) else 1.0,
        "n": len(x),
        "ci95": None if half is None else [float(line.slope) - half, float(line.slope) + half],
    }
    if questions is not None:
        weights = (x - x.mean()) / ((x - x.mean()) ** 2).sum()  # slope = weights · y
        by_question = weights @ np.asarray(questions, dtype=np.float64)
        fit["ci95_questions"] = list(bootstrap_interval(by_question, resamples, seed))
    return fit
