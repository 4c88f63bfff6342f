"""From one problem's responses to its votes and what is right: no files, no randomness."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any, Protocol

from rft_jax.errors import UserError
from rft_jax.evaluation import metrics
from rft_jax.records import Problem
from rft_jax.verify.answers import answer_value, answers_equal, extract_answer, reference_answer
from rft_jax.verify.numbers import parse_number

# How far apart the paper's scoring script lets two floats be.
_PAPER_TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class Scored:
    """A problem's answers and which are right.

    Attributes:
      problem: the problem.
      reference: its answer.
      answers: each sample's answer as written, None where there is none.
      right: whether it equals the reference.
      labels: what it votes for: the first answer seen with that value, or, for the paper's votes,
        the answer as written. None abstains.
      timeouts: samples whose answer could not be compared in time; they count as wrong.
    """

    problem: Problem
    reference: str
    answers: tuple[str | None, ...]
    right: tuple[bool, ...]
    labels: tuple[str | None, ...]
    timeouts: int

    @property
    def share_right(self) -> Fraction:
        """The share of samples that are right (mean@1, or a greedy answer's 0 or 1)."""
        return Fraction(sum(self.right), len(self.right))

    def pass_at_k(self, k: int) -> float:
        """Unbiased pass@k over all samples."""
        return metrics.pass_at_k(sum(self.right), len(self.right), k)

    def majority_at_k(self, k: int, votes: str, resamples: int, seed: int) -> float:
        """maj@k: over all subsets with ties shared, or by the paper's convention."""
        if votes == "paper":
            winner = metrics.first_majority(self.labels[:k])
            return float(winner is not None and self.right[self.labels.index(winner)])
        counted = metrics.count_votes(self.labels, self.right)
        return metrics.majority_at_k(counted, k, resamples, seed)


class Comparer(Protocol):
    """Compares what two formulas mean; `verify.symbolic.SymbolicComparer` is one."""

    def equal(self, reference: str, answer: str) -> bool:
        """Whether they mean the same; raises TimeoutError when that takes too long."""


def score(
    problem: Problem, responses: Sequence[str], mode: str, votes: str, symbolic: Comparer
) -> Scored:
    """Reads the answers out of a problem's responses and compares them with the reference.

    Wrong answers vote by number or by normalised text: what two formulas mean is asked only
    against the reference.

    Args:
      symbolic: asked about answers that are no plain numbers.

    Raises:
      UserError: the problem's own answer cannot be read.
    """
    reference = reference_answer(problem.answer, mode)
    if reference is None:
        raise UserError(f"problem {problem.id!r} has no answer; it must end with '#### n'")
    answers = tuple(extract_answer(response, mode) for response in responses)
    equal = _equal_for_paper if votes == "paper" else partial(_equal, symbolic)
    found = {a: a is not None and equal(a, reference) for a in dict.fromkeys(answers)}
    return Scored(
        problem,
        reference,
        answers,
        right=tuple(bool(found[a]) for a in answers),
        labels=answers if votes == "paper" else _labels_by_value(answers),
        timeouts=sum(found[a] is None for a in answers),
    )


def _labels_by_value(answers: Sequence[str | None]) -> tuple[str | None, ...]:
    """For each answer, the first of the answers that has the same value."""
    first: dict[Hashable, str] = {}
    return tuple(a if a is None else first.setdefault(answer_value(a), a) for a in answers)


def _equal(symbolic: Comparer, answer: str, reference: str) -> bool | None:
    """Whether an answer is right; None when that could not be decided in time."""
    if answers_equal(answer, reference):
        return True
    if parse_number(answer) is not None and parse_number(reference) is not None:
        return False
    try:
        return symbolic.equal(reference, answer)
    except TimeoutError:
        return None


def _equal_for_paper(answer: str, reference: str) -> bool:
    try:
        return abs(float(answer) - float(reference)) < _PAPER_TOLERANCE
    except ValueError:
        return answers_equal(answer, reference)


def count_steps(answer: str) -> int:
    """Steps of a reference: its annotated equations, or else its lines before the final answer."""
    annotated = answer.count("<<")
    path = answer.split("####")[0]
    return annotated or sum(bool(line.strip()) for line in path.splitlines())


def count_words(answer: str) -> int:
    """Length of a reference's path in words, the final answer left out."""
    return len(answer.split("####")[0].split())


def to_row(scored: Scored, k: int, majority: float) -> dict[str, Any]:
    """The problem's row of `predictions.jsonl`."""
    voted = [label for label in scored.labels if label is not None]
    return {
        "id": scored.problem.id,
        "reference": scored.reference,
        "answers": list(scored.answers),
        "correct": list(scored.right),
        "votes": {label: voted.count(label) for label in dict.fromkeys(voted)},
        "maj@k": majority,
        "pass@k": scored.pass_at_k(k),
        "steps": count_steps(scored.problem.answer),
        "words": count_words(scored.problem.answer),
    }
