"""Paired comparison of two conditions on the same questions, each with one training or several.

The unit of a model is the question: its samples, and the trainings at hand, are averaged first, so
n is the number of questions, not of answers. The interval and the p-value over questions are about
THESE trained models. What is said about the method, that is about other trainings too, is in
`method` and needs several trainings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from rft_jax.errors import UserError
from rft_jax.evaluation.intervals import (
    ALPHA,
    Interval,
    bounded_interval,
    bounded_t_test,
    tango_interval,
)
from rft_jax.evaluation.trainings import over_trainings

# Question id -> the share of its samples that are correct; None where that is undecided.
Scores = Mapping[str, Fraction | None]


def compare(
    runs_a: Mapping[int, Scores],
    runs_b: Mapping[int, Scores],
    resamples: int = 10_000,
    seed: int = 0,
) -> dict[str, Any]:
    """The difference of condition a to condition b, paired by question and by training.

    Args:
      runs_a: seed -> the scores of a's training with that seed.
      runs_b: the same of b, on the same questions; one alone is compared with each of the other's.
      resamples: number of bootstrap resamples over trainings and questions.
      seed: of the resampling.

    Returns:
      `difference` (mean of a - b); about these models `ci95` (over questions), `p_value`
      (two-sided) and `test` (`mcnemar_exact` where every question differs by -1, 0 or 1, with
      Tango's interval; `t_test` otherwise); `n` questions, `undecided` (questions left out because
      some run has no decided sample of them), `only_a` and `only_b` (questions on which a or b is
      better); `by_seed` (the difference of each pair), `trainings` of a and of b, and `method`
      (`over_trainings` of the pairs; None with one).

    Raises:
      UserError: the runs are not on the same questions, or none is decided in all of them.
    """
    pairs = pair_runs(runs_a, runs_b)
    questions = sorted(pairs[0][0])
    for scores in (run for pair in pairs for run in pair):
        check_same_questions(questions, scores)
    shares = decided_shares([run for pair in pairs for run in pair])
    if not shares[0]:
        raise UserError("no question is decided in all runs; raise evaluate.timeout")
    by_seed = [
        [x - y for x, y in zip(a, b, strict=True)]
        for a, b in zip(shares[::2], shares[1::2], strict=True)
    ]
    differences = [sum(column, Fraction(0)) / len(pairs) for column in zip(*by_seed, strict=True)]
    values = np.array(by_seed, dtype=np.float64)
    return {
        "difference": float(sum(differences) / len(differences)),
        **_over_questions(differences),
        "n": len(differences),
        "undecided": len(questions) - len(differences),
        "only_a": sum(d > 0 for d in differences),
        "only_b": sum(d < 0 for d in differences),
        "by_seed": [float(sum(one) / len(one)) for one in by_seed],
        "trainings": {"a": len(runs_a), "b": len(runs_b)},
        "method": over_trainings(values, -1.0, 1.0, resamples, seed),
    }


def pair_runs(
    runs_a: Mapping[int, Scores], runs_b: Mapping[int, Scores]
) -> list[tuple[Scores, Scores]]:
    """The runs of a and b with the same seed, in order of the seeds.

    Raises:
      ValueError: neither is alone, and their seeds differ.
    """
    if 1 in (len(runs_a), len(runs_b)) and runs_a and runs_b:
        return [(runs_a[i], runs_b[j]) for i in sorted(runs_a) for j in sorted(runs_b)]
    if set(runs_a) != set(runs_b) or not runs_a:
        raise ValueError(f"seeds {sorted(runs_a)} against {sorted(runs_b)}: pairs are needed")
    return [(runs_a[i], runs_b[i]) for i in sorted(runs_a)]


def decided_shares(runs: Sequence[Scores]) -> list[list[Fraction]]:
    """Each run's shares on the questions that are decided in all of them, in order of their ids."""
    columns = [[run[question] for run in runs] for question in sorted(runs[0])]
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


def _over_questions(differences: Sequence[Fraction]) -> dict[str, Any]:
    """Interval and p-value of the mean difference of these models, and the name of the test."""
    if all(d in (-1, 0, 1) for d in differences):
        counts = differences.count(Fraction(1)), differences.count(Fraction(-1))
        interval, p_value = paired_interval(*counts, len(differences)), mcnemar_exact(*counts)
        return {"ci95": list(interval), "p_value": p_value, "test": "mcnemar_exact"}
    test = bounded_t_test([float(d) for d in differences], -1.0, 1.0)
    interval = bounded_interval(test, -1.0, 1.0)
    return {"ci95": list(interval), "p_value": float(test.pvalue), "test": "t_test"}


def paired_interval(only_a: int, only_b: int, n: int) -> Interval:
    """Tango's interval, extended to 0 where McNemar's exact test does not reject 0.

    The exact test is the stricter one, so p is below 0.05 exactly where the interval excludes 0.
    """
    low, high = tango_interval(only_a, only_b, n)
    if mcnemar_exact(only_a, only_b) >= ALPHA:
        return min(low, 0.0), max(high, 0.0)
    return low, high


def mcnemar_exact(only_a: int, only_b: int) -> float:
    """McNemar's exact test: a two-sided binomial test of the questions on which a and b differ.

    Args:
      only_a: questions that only a answers correctly.
      only_b: questions that only b answers correctly.
    """
    from scipy.stats import binomtest

    n = only_a + only_b
    return float(binomtest(only_a, n).pvalue) if n else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values of comparisons that are made together (Holm 1979), in the same order.

    Those below 0.05 hold together: the chance that any of them is a false one is below 5 %.
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = largest
    return adjusted


def claim(comparison: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a comparison may say: about the method with several trainings, else about the models.

    Returns:
      A mapping with `p_value` and `ci95`.
    """
    return comparison.get("method") or comparison


def with_holm(comparisons: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The comparisons of a page, each with `p_holm`: its claim's p-value, adjusted for all of them,
    whose number is `holm_comparisons`."""
    adjusted = holm([claim(one)["p_value"] for one in comparisons])
    return [
        {**one, "p_holm": p, "holm_comparisons": len(comparisons)}
        for one, p in zip(comparisons, adjusted, strict=True)
    ]


def p_text(p_value: float) -> str:
    """A p-value with three decimals, or `< 0.001`."""
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"


def p_equals(p_value: float) -> str:
    """`= 0.012` or `< 0.001`, to stand behind `p`."""
    text = p_text(p_value)
    return text if text.startswith("<") else f"= {text}"
