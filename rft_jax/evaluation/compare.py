"""Paired comparison of two models on the same questions, for one seed or pooled over several.

The unit is the question: its seeds and samples are averaged first, so the tests rest on the number
of questions and not on the number of answers. What the p-value speaks about is other questions of
the same kind for THESE trained models; how much another training run would differ is shown by
`by_seed` and not tested.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from rft_jax.errors import UserError
from rft_jax.evaluation.intervals import bootstrap_interval

Scores = Mapping[str, Fraction]  # question id -> the share of its samples that are right

_MAX_EXACT_SUM = 20_000  # beyond it the convolution takes seconds
_SIGN_FLIPS = 100_000


def compare(
    runs_a: Sequence[Scores], runs_b: Sequence[Scores], resamples: int = 10_000, seed: int = 0
) -> dict[str, Any]:
    """How much better a is than b: runs in pairs (one pair a seed), all on the same questions.

    Returns:
      `difference` (mean of a - b), `ci95` (bootstrap over questions), `p_value` (two-sided) and
      `test` (`mcnemar_exact` for one pair of right-or-wrong runs, `sign_flip_exact` or
      `sign_flip_sampled` otherwise), `n` questions, `only_a` and `only_b` (questions on which
      a, on which b, does better) and `by_seed` (the difference of each pair).

    Raises:
      UserError: the runs are not on the same questions.
    """
    if len(runs_a) != len(runs_b) or not runs_a:
        raise ValueError(f"{len(runs_a)} runs against {len(runs_b)}: pairs are needed")
    ids = list(runs_a[0])
    for scores in [*runs_a, *runs_b]:
        check_same_questions(ids, scores)
    pairs = list(zip(runs_a, runs_b, strict=True))
    differences = [sum((a[i] - b[i] for a, b in pairs), Fraction(0)) / len(pairs) for i in ids]
    p_value, test = paired_p_value(differences, seed)
    values = np.array([float(d) for d in differences])
    return {
        "difference": float(values.mean()),
        "ci95": list(bootstrap_interval(values, resamples, seed)),
        "p_value": p_value,
        "test": test,
        "n": len(ids),
        "only_a": sum(d > 0 for d in differences),
        "only_b": sum(d < 0 for d in differences),
        "by_seed": [float(sum(a[i] - b[i] for i in ids) / len(ids)) for a, b in pairs],
    }


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
    """A two-sided p-value for "a and b are alike", and the name of the test that gave it."""
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
    """McNemar's test as the two-sided binomial one (no normal approximation).

    Args:
      only_a, only_b: questions that only the one, only the other answers rightly.
    """
    n = only_a + only_b
    tail = sum(math.comb(n, i) for i in range(min(only_a, only_b) + 1))
    return min(1.0, float(Fraction(2 * tail, 2**n)))


def sign_flip_exact(differences: Sequence[int]) -> float:
    """P(|sum| at least as large as seen) when each difference's sign is a fair coin.

    Fisher's paired randomization test, exactly: differences of size s sum to
    s * (2 Binomial(count, 1/2) - count), and the sums of all sizes are convolved. With differences
    of -1, 0 and 1 alone it is McNemar's exact test.
    """
    sizes, counts = np.unique(np.abs(np.array(differences, dtype=np.int64)), return_counts=True)
    distribution = np.ones(1)  # of the sum, from its least value up
    for size, count in zip(sizes.tolist(), counts.tolist(), strict=True):
        if size > 0:
            coins = np.zeros(2 * size * count + 1)
            coins[:: 2 * size] = _fair_coins(count)
            distribution = np.convolve(distribution, coins)
    sums = np.arange(len(distribution)) - len(distribution) // 2
    return min(1.0, float(distribution[np.abs(sums) >= abs(sum(differences))].sum()))


def _fair_coins(n: int) -> np.ndarray:
    """P(i of n fair coins) for i = 0 … n."""
    log_choose = [
        math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) for i in range(n + 1)
    ]
    return np.exp(np.array(log_choose) - n * math.log(2))


def sign_flip_sampled(differences: Sequence[float], seed: int, flips: int = _SIGN_FLIPS) -> float:
    """The same test over `flips` random sign patterns; never below 1 / (flips + 1)."""
    values = np.array(differences)
    rng, seen, beyond = np.random.default_rng(seed), abs(values.sum()), 0
    for start in range(0, flips, 1000):
        signs = rng.integers(0, 2, size=(min(1000, flips - start), values.size)) * 2 - 1
        beyond += int((np.abs(signs @ values) >= seen - 1e-12).sum())
    return (beyond + 1) / (flips + 1)
