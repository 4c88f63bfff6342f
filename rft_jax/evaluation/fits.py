"""A straight line through accuracies, with what is and what is not known of its slope."""

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
    """Least squares through (x, y), a point a training.

    Args:
      xs: where; a log-linear fit passes logarithms.
      ys: what was measured there.
      questions: [point, question] what each y is the mean of, where it is one.

    Returns:
      `slope`, `intercept`, `r2`, `n`; `ci95` of the slope by Student's t, the points independent:
      how much other trainings would differ, as far as a straight line is right; with `questions`,
      `ci95_questions`: a bootstrap over questions, which all points share.
    """
    x, y = np.asarray(xs, dtype=np.float64), np.asarray(ys, dtype=np.float64)
    if len(x) != len(y) or len(np.unique(x)) < 2:
        raise ValueError(f"{len(x)} xs, {len(y)} ys: two different xs are needed")
    weights = (x - x.mean()) / ((x - x.mean()) ** 2).sum()  # slope = weights · y
    slope = float(weights @ y)
    intercept = float(y.mean() - slope * x.mean())
    rest = y - intercept - slope * x
    spread = float(((y - y.mean()) ** 2).sum())
    fit: dict[str, Any] = {
        "slope": slope,
        "intercept": intercept,
        "r2": 1.0 - float(rest @ rest) / spread if spread else 1.0,
        "n": len(x),
        "ci95": _student_interval(slope, rest, weights),
    }
    if questions is not None:
        by_question = weights @ np.asarray(questions, dtype=np.float64)
        fit["ci95_questions"] = list(bootstrap_interval(by_question, resamples, seed))
    return fit


def _student_interval(slope: float, rest: np.ndarray, weights: np.ndarray) -> list[float] | None:
    """None with two points, which every line goes through."""
    from scipy.stats import t

    freedom = len(rest) - 2
    if freedom < 1:
        return None
    error = float(np.sqrt(rest @ rest / freedom * (weights @ weights)))
    half = float(t.ppf(0.975, freedom)) * error
    return [slope - half, slope + half]
