"""Paired comparison of two models on the same questions, for one seed or pooled over several.

The unit is the question: its seeds and samples are averaged first, so n is the number of questions,
not of answers. The p-value generalises to other questions of the same kind for THESE trained
models; the variation between training runs is shown by `by_seed` and not tested.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from rft_jax.errors import UserError
from rft_jax.evaluation.intervals import bootstrap_interval

# Question id -> the share of its samples that are correct; None where that is undecided.
Scores = Mapping[str, Fraction | None]

_MAX_EXACT_SUM = 20_000  # beyond it the convolution takes seconds
_SIGN_FLIPS = 100_000


def compare(
    runs_a: Sequence[Scores], runs_b: Sequence[Scores], resamples: int = 10_000, seed: int = 0
) -> dict[str, Any]:
    """The difference of model a to model b, paired by question.

    Args:
      runs_a: scores of model a, one run per seed.
      runs_b: scores of model b with the same seeds, on the same questions.
      resamples: number of bootstrap resamples.
      seed: of the resampling.

    Returns:
      `difference` (mean of a - b), `ci95` (bootstrap over questions), `p_value` (two-sided) and
      `test` (`mcnemar_exact` for one pair of runs with one answer per question, `sign_flip_exact`
      or `sign_flip_sampled` otherwise), `n` questions, `undecided` (questions left out because some
      run has no decided sample of them), `only_a` and `only_b` (questions on which a or b is
      better) and `by_seed` (the difference of each pair).

    Raises:
      UserError: the runs are not on the same questions, or none is decided in all of them.
    """
    if len(runs_a) != len(runs_b) or not runs_a:
        raise ValueError(f"{len(runs_a)} runs against {len(runs_b)}: pairs are needed")
    questions = list(runs_a[0])
    for scores in [*runs_a, *runs_b]:
        check_same_questions(questions, scores)
    shares = decided_shares([*runs_a, *runs_b])
    if not shares[0]:
        raise UserError("no question is decided in all runs; raise evaluate.timeout")
    pairs = list(zip(shares[: len(runs_a)], shares[len(runs_a) :], strict=True))
    by_seed = [[x - y for x, y in zip(a, b, strict=True)] for a, b in pairs]
    differences = [sum(column, Fraction(0)) / len(pairs) for column in zip(*by_seed, strict=True)]
    p_value, test = paired_p_value(differences, seed)
    values = np.array([float(d) for d in differences])
    return {
        "difference": float(values.mean()),
        "ci95": list(bootstrap_interval(values, resamples, seed)),
        "p_value": p_value,
        "test": test,
        "n": len(differences),
        "undecided": len(questions) - len(differences),
        "only_a": sum(d > 0 for d in differences),
        "only_b": sum(d < 0 for d in differences),
        "by_seed": [float(sum(one) / len(one)) for one in by_seed],
    }


def decided_shares(runs: Sequence[Scores]) -> list[list[Fraction]]:
    """Each run's shares on the questions that are decided in all of them, in the first's order."""
    columns = [[run[question] for run in runs] for question in runs[0]]
    decided = [[share for share in column if share is not None] for column in columns]
    whole = [column for column in decided if len(column) == len(runs)]
    return [[column[i] for column in whole] for i in range(len(runs))]


def check_same_questions(ids: Sequence[str], scores: Scores) -> None:
    """Refuses scores that are not of exactly these questions.

    Raises:
      UserError: names a question that only one of the two has.
    """
    if not ids:
        raise UserError("no questions to compare")
    missing = [i for i in ids if i not in scores]
    extra = set(scores) - set(ids)
    if missing or extra:
        odd = missing[0] if missing else min(extra)
        raise UserError(
            f"question {odd!r} is in one run and not in the other ({len(ids)} and {len(scores)} "
            "questions); evaluate both on the same problems"
        )


def paired_p_value(differences: Sequence[Fraction], seed: int) -> tuple[float, str]:
    """A two-sided p-value of the null hypothesis "no difference", and the name of its test."""
    if all(d in (-1, 0, 1) for d in differences):
        return mcnemar_exact(differences.count(Fraction(1)), differences.count(Fraction(-1))), (
            "mcnemar_exact"
        )
    unit = math.lcm(*(d.denominator for d in differences))
    whole = [int(d * unit) for d in differences]
    if sum(map(abs, whole)) <= _MAX_EXACT_SUM:
        return sign_flip_exact(whole), "sign_flip_exact"
    return sign_flip_sampled([float(d) for d in differences], seed), "sign_flip_sampled"


def mcnemar_exact(only_a: int, only_b: int) -> float:
    """McNemar's exact test: a two-sided binomial test of the questions on which a and b differ.

    Args:
      only_a: questions that only a answers correctly.
      only_b: questions that only b answers correctly.
    """
    from scipy.stats import binomtest

    n = only_a + only_b
    return float(binomtest(only_a, n).pvalue) if n else 1.0


def sign_flip_exact(differences: Sequence[int]) -> float:
    """P(|sum| at least as large as observed) when each difference's sign is a fair coin.

    Fisher's paired randomization test, exactly: differences of size s sum to
    s * (2 Binomial(count, 1/2) - count), and the sums of all sizes are convolved. If all
    differences are -1, 0 or 1, it is McNemar's exact test.
    """
    from scipy.stats import binom

    sizes, counts = np.unique(np.abs(np.array(differences, dtype=np.int64)), return_counts=True)
    distribution = np.ones(1)  # of the sum, from its smallest value up
    for size, count in zip(sizes.tolist(), counts.tolist(), strict=True):
        if size > 0:
            coins = np.zeros(2 * size * count + 1)
            coins[:: 2 * size] = binom.pmf(np.arange(count + 1), count, 0.5)
            distribution = np.convolve(distribution, coins)
    sums = np.arange(len(distribution)) - len(distribution) // 2
    return min(1.0, float(distribution[np.abs(sums) >= abs(sum(differences))].sum()))


def sign_flip_sampled(differences: Sequence[float], seed: int, flips: int = _SIGN_FLIPS) -> float:
    """The sign-flip test over `flips` random sign patterns; at least 1 / (flips + 1)."""
    values = np.array(differences)
    rng, observed, beyond = np.random.default_rng(seed), abs(values.sum()), 0
    for start in range(0, flips, 1000):
        signs = rng.integers(0, 2, size=(min(1000, flips - start), values.size)) * 2 - 1
        beyond += int((np.abs(signs @ values) >= observed - 1e-12).sum())
    return (beyond + 1) / (flips + 1)
