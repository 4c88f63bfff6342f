"""Intervals of a method: what other trainings, on other questions, would have given.

An interval over questions alone is about the models at hand. Trainings answer the same questions,
so both are resampled, each as a whole (Owen 2007, Ann. Appl. Stat. 1, "The pigeonhole bootstrap").
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from rft_jax.evaluation.intervals import LEVEL, bounded_interval

_CELLS_AT_ONCE = 2_000_000


def over_trainings(
    values: np.ndarray, low: float, high: float, resamples: int = 10_000, seed: int = 0
) -> dict[str, Any] | None:
    """The intervals of a mean over trainings and questions; None with fewer than two trainings.

    Args:
      values: [training, question], from `low` to `high`. The order of questions and trainings must
        not depend on chance: it decides what is resampled.
      low: the least possible value; a question of that value and one of `high` are added, as in
        `intervals.bounded_t_test`.
      high: the largest possible value.
      resamples: number of bootstrap resamples.
      seed: of the resampling.

    Returns:
      `trainings`, their number; `ci95`, by the hierarchical bootstrap over trainings, then
      questions; `ci95_t`, Student's t over the trainings' means, on these questions; None where all
      means are equal. If 0 is between the bounds, `p_value`, two-sided, of "the mean is 0": the
      larger one of the two, so that it is below 0.05 where neither interval contains 0.
    """
    if len(values) < 2:
        return None
    # In this order, so that the other sign of all values has the mirrored interval exactly.
    bounds = [low, high] if (values[values != 0][:1] > 0).all() else [high, low]
    added = np.tile(bounds, (len(values), 1))
    means = np.sort(_resampled_means(np.hstack((values, added)), resamples, seed))
    beyond = math.ceil((1 - LEVEL) / 2 * resamples) - 1  # so many resamples on each side
    found: dict[str, Any] = {
        "trainings": len(values),
        "ci95": [float(means[beyond]), float(means[-1 - beyond])],
    }
    found["ci95_t"], p_value = student_t(values.mean(1), low, high)
    if low < 0 < high:
        below, above = np.count_nonzero(means <= 0), np.count_nonzero(means >= 0)
        resampled = min(1.0, 2 * min(below, above) / resamples)
        least = 2 / resamples if p_value is None else p_value  # so many resamples say no less
        found["p_value"] = float(max(resampled, least))
    return found


def student_t(
    means: np.ndarray, low: float, high: float
) -> tuple[list[float] | None, float | None]:
    """Student's t over trainings: the interval, and p of "the mean is 0".

    Args:
      means: one per training.
      low, high: bounds of the values.

    Returns:
      (None, None) with one training, or where all means are equal, which says nothing about their
      spread.
    """
    from scipy.stats import ttest_1samp

    if len(means) < 2 or np.ptp(means) < 1e-12:
        return None, None
    test = ttest_1samp(means, 0.0)
    return list(bounded_interval(test, low, high)), float(test.pvalue)


def _resampled_means(values: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """[resample]: means of trainings and questions resampled with replacement."""
    trainings, questions = values.shape
    counts = _question_counts(questions, resamples, seed)
    chunks = range(0, resamples, max(1, _CELLS_AT_ONCE // questions))
    by_training = np.vstack([counts[i : i + chunks.step] @ values.T for i in chunks]) / questions
    rng = np.random.default_rng([seed, trainings])
    chosen = rng.integers(trainings, size=(resamples, trainings))
    return np.take_along_axis(by_training, chosen, 1).mean(1).round(12)


@lru_cache(maxsize=2)
def _question_counts(questions: int, resamples: int, seed: int) -> np.ndarray:
    """[resample, question]: how often each question was chosen, of as many draws; kept, since a
    run's comparisons are on the same questions."""
    rng = np.random.default_rng(seed)
    counts = np.empty((resamples, questions), np.uint16)
    for row in counts:
        row[:] = np.bincount(rng.integers(questions, size=questions), minlength=questions)
    return counts
