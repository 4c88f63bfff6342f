"""95 % intervals of means over questions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

_CELLS_AT_ONCE = 2_000_000


def wilson_interval(successes: int, n: int) -> tuple[float, float]:
    """Wilson's 95 % score interval of a proportion (Wilson 1927); (0, 1) without data."""
    from scipy.stats import binomtest

    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n}: not between 0 and n")
    if n == 0:
        return 0.0, 1.0
    interval = binomtest(successes, n).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)


def bootstrap_interval(
    values: Sequence[float] | np.ndarray, resamples: int, seed: int
) -> tuple[float, float]:
    """The percentile 95 % interval of the mean when whole questions are resampled.

    Args:
      values: one value per question, over all its samples and seeds, which are not independent.
      resamples: number of bootstrap resamples.
      seed: of the resampling.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.size == 0:
        raise ValueError("no values to resample")
    rng = np.random.default_rng(seed)
    rows = max(1, _CELLS_AT_ONCE // values.size)
    means = [
        values[rng.integers(values.size, size=(min(rows, resamples - start), values.size))].mean(1)
        for start in range(0, resamples, rows)
    ]
    low, high = np.quantile(np.concatenate(means), [0.025, 0.975])
    return float(low), float(high)


def mean_with_ci(
    values: Sequence[float] | np.ndarray, resamples: int = 10_000, seed: int = 0
) -> dict[str, Any]:
    """A mean over questions with its 95 % interval: `{"value", "ci95": [low, high], "n"}`.

    Wilson's interval where every value is 0 or 1, a bootstrap over questions otherwise.

    Args:
      values: one value per question.
      resamples: number of bootstrap resamples.
      seed: of the resampling.
    """
    values = np.asarray(values, dtype=np.float64)
    if np.isin(values, (0.0, 1.0)).all():
        interval = wilson_interval(int(values.sum()), values.size)
    else:
        interval = bootstrap_interval(values, resamples, seed)
    mean = float(values.mean()) if values.size else 0.0
    return {"value": mean, "ci95": list(interval), "n": int(values.size)}
