"""95 % intervals over questions, for the models at hand: shares, means and paired differences.

None of them collapses where few questions, or no two different values, were seen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

Interval = tuple[float, float]

LEVEL = 0.95
ALPHA = 0.05
"""A difference is called statistically significant if its p-value is below this."""


def wilson_interval(successes: int, n: int) -> Interval:
    """Wilson's score interval of a proportion (Wilson 1927); (0, 1) without data."""
    from scipy.stats import binomtest

    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n}: not between 0 and n")
    if n == 0:
        return 0.0, 1.0
    interval = binomtest(successes, n).proportion_ci(LEVEL, method="wilson")
    return float(interval.low), float(interval.high)


def tango_interval(only_a: int, only_b: int, n: int) -> Interval:
    """Tango's score interval of a difference of paired proportions (Tango 1998, Stat. Med. 17).

    The differences that the score test does not reject. At a difference of 0 that is McNemar's
    test, without its correction.

    Args:
      only_a: questions that only a answers correctly.
      only_b: questions that only b answers correctly.
      n: all questions.
    """
    if not (only_a >= 0 and only_b >= 0 and 0 < n >= only_a + only_b):
        raise ValueError(f"{only_a} and {only_b} of {n} questions: not counts of a table of pairs")
    return _tango_lower(only_a, only_b, n), -_tango_lower(only_b, only_a, n) + 0.0


def _tango_lower(only_a: int, only_b: int, n: int) -> float:
    """The lower bound: where (a - b - n D)² = z² n (2 q + D - D²), below the estimate."""
    from scipy.optimize import brentq
    from scipy.stats import norm

    z_squared = norm.ppf((1 + LEVEL) / 2) ** 2

    def excess(difference: float) -> float:
        linear = (2 * n - only_a + only_b) * difference - only_a - only_b
        constant = -only_b * difference * (1 - difference)
        # The maximum-likelihood share of "only b", given the difference.
        share = (math.sqrt(linear**2 - 8 * n * constant) - linear) / (4 * n)
        variance = 2 * share + difference - difference**2
        return (only_a - only_b - n * difference) ** 2 - z_squared * n * variance

    estimate = (only_a - only_b) / n
    if only_b == n:
        return -1.0
    return float(brentq(excess, -1.0, estimate - 1e-9, xtol=1e-12))


def bounded_t_test(values: Sequence[float] | np.ndarray, low: float, high: float) -> Any:
    """Student's t test of "the mean is 0" for bounded values, with one value added at each bound.

    Added values keep the interval open where all values are alike; for paired proportions this is
    the interval of Bonett and Price (2012, J. Educ. Behav. Stat. 37), with t instead of z.

    Args:
      values: one per question, from `low` to `high`.

    Returns:
      SciPy's result, with `pvalue` and `confidence_interval()`.
    """
    from scipy.stats import ttest_1samp

    return ttest_1samp(np.append(values, [low, high]), 0.0)


def bounded_interval(test: Any, low: float, high: float) -> Interval:
    """The interval of a t test, within the bounds of its values."""
    interval = test.confidence_interval(LEVEL)
    return max(low, float(interval.low)), min(high, float(interval.high))


def mean_with_ci(values: Sequence[float] | np.ndarray) -> dict[str, Any]:
    """A mean over questions with its interval: `{"value", "ci95": [low, high], "n"}`.

    Wilson's interval where every value is 0 or 1, `bounded_t_test`'s otherwise.

    Args:
      values: one share per question, over all its samples and seeds, which are not independent.
    """
    values = np.asarray(values, dtype=np.float64)
    if np.isin(values, (0.0, 1.0)).all():
        interval = wilson_interval(int(values.sum()), values.size)
    else:
        interval = bounded_interval(bounded_t_test(values, 0.0, 1.0), 0.0, 1.0)
    mean = float(values.mean()) if values.size else 0.0
    return {"value": mean, "ci95": list(interval), "n": int(values.size)}
