"""maj@k of one problem from its votes, whichever k samples come first.

As `estimators.pass_at_k` it is a mean over all subsets of k of the n samples. It shares a tie: when
t incorrect answers have as many votes as the correct one, the correct one gets 1 / (1 + t).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from rft_jax.estimators import check_k

METRICS = ("accuracy", "mean@1", "maj@k", "pass@k")
"""Names of an evaluation's metrics; it has one of the first two."""
# Up to here maj@k is exact (n = 100, k = 50 takes milliseconds); above it subsets are random.
MAX_EXACT_SAMPLES = 256


def main_metric(metrics: Mapping[str, Any]) -> str:
    """The name of the one of the first two that an evaluation has."""
    return next(name for name in METRICS[:2] if name in metrics)


@dataclass(frozen=True, slots=True)
class Votes:
    """How one problem's samples voted.

    Attributes:
      correct: votes for the correct answer.
      incorrect: votes for every other answer, largest first.
      abstained: samples without an answer; they win nothing but count among the n.
    """

    correct: int
    incorrect: tuple[int, ...]
    abstained: int

    @property
    def n(self) -> int:
        """Samples in all."""
        return self.correct + sum(self.incorrect) + self.abstained


def count_votes(votes: Sequence[tuple[Hashable | None, bool]]) -> Votes:
    """Votes of a problem's samples.

    Args:
      votes: what each sample votes for, None abstains, and whether that answer is correct; all
        correct answers count as one.
    """
    wrong = Counter(label for label, is_correct in votes if label is not None and not is_correct)
    abstained = sum(label is None for label, _ in votes)
    counts = tuple(sorted(wrong.values(), reverse=True))
    return Votes(len(votes) - abstained - sum(counts), counts, abstained)


def majority_at_k(votes: Votes, k: int, resamples: int = 10_000, seed: int = 0) -> float:
    """The share of k-subsets whose majority is correct, ties shared.

    Exact up to 256 samples; above that the mean over `resamples` random subsets.

    Args:
      seed: of the random subsets.
    """
    check_k(k, votes.n)
    if k == votes.n:
        return _share(votes.correct, votes.incorrect)
    if votes.n <= MAX_EXACT_SAMPLES:
        return _majority_exact(votes, k)
    return majority_by_resampling(votes, k, resamples, seed)


def majority_by_resampling(votes: Votes, k: int, resamples: int, seed: int) -> float:
    """maj@k over random k-subsets instead of all of them."""
    classes = [votes.correct, *votes.incorrect, votes.abstained]
    rng = np.random.default_rng(seed)
    counts = rng.multivariate_hypergeometric(classes, k, size=resamples, method="marginals")
    correct, incorrect = counts[:, :1], counts[:, 1:-1]
    beaten = (incorrect > correct).any(axis=1) | (correct[:, 0] == 0)
    shares = np.where(beaten, 0.0, 1.0 / (1 + (incorrect == correct).sum(axis=1)))
    return float(shares.mean())


def first_majority(labels: Sequence[str | None]) -> str | None:
    """The label with most votes; of equals the one seen first (the paper's convention)."""
    counts = Counter(label for label in labels if label is not None)
    return max(counts, key=counts.__getitem__) if counts else None


def _share(correct: int, incorrect: Sequence[int]) -> float:
    if correct == 0 or any(votes > correct for votes in incorrect):
        return 0.0
    return 1.0 / (1 + sum(votes == correct for votes in incorrect))


@lru_cache(maxsize=65_536)
def _majority_exact(votes: Votes, k: int) -> float:
    """Sums P(the correct answer gets m votes) * E[share | m] over m.

    A random k-subset is n coins with P(heads) = k / n, given k heads: so the classes are
    independent binomials until the condition, and every number stays between 0 and 1.
    """
    n, heads = votes.n, k / votes.n
    correct = _binomial(votes.correct, heads)
    total = 0.0
    for m in range(1, min(votes.correct, k) + 1):
        rivals = [count for count in votes.incorrect if count >= m]
        free = n - votes.correct - sum(rivals)  # these can neither beat m votes nor tie with them
        ties = _ties_given(m, rivals, free, k - m, heads)
        total += correct[m] * float(ties @ (1.0 / np.arange(1, len(ties) + 1)))
    # Rounded, so that shares like 1/2 come out as such.
    return round(min(1.0, total / float(_binomial(n, heads)[k])), 12)


def _ties_given(m: int, rivals: Sequence[int], free: int, total: int, heads: float) -> np.ndarray:
    """P(t rivals get m votes, none gets more, and `total` votes go to rivals and others), per t."""
    table = np.zeros((1 + min(len(rivals), total // m), total + 1))  # [ties, votes]
    table[0, 0] = 1.0
    for count in rivals:
        weights = _binomial(count, heads)
        after = np.zeros_like(table)
        for votes in range(min(m, total + 1)):
            after[:, votes:] += weights[votes] * table[:, : total + 1 - votes]
        if m <= total:
            after[1:, m:] += weights[m] * table[:-1, : total + 1 - m]
        table = after
    rest = np.zeros(total + 1)
    weights = _binomial(free, heads)[: total + 1]
    rest[: len(weights)] = weights
    return table @ rest[::-1]


@lru_cache(maxsize=4096)
def _binomial(n: int, p: float) -> np.ndarray:
    """P(i of n coins) for i = 0 … n, with 0 < p < 1."""
    i = np.arange(n + 1)
    log_choose = math.lgamma(n + 1) - np.array(
        [math.lgamma(j + 1) + math.lgamma(n - j + 1) for j in range(n + 1)]
    )
    return np.exp(log_choose + i * math.log(p) + (n - i) * math.log1p(-p))
