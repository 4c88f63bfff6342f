"""One problem's responses, graded and counted: no files, no randomness."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from rft_jax.estimators import pass_at_k
from rft_jax.evaluation import metrics
from rft_jax.evaluation.inputs import Response
from rft_jax.records import PROGRAM, VERDICTS, Problem
from rft_jax.verify.grading import Grade, Grader


@dataclass(frozen=True, slots=True)
class Scored:
    """A problem's answers and which are correct.

    Undecided samples are treated as if they had not been sampled: if fewer than k others are left,
    all of them are used; if none is left, the problem has no metrics.

    Attributes:
      problem: the problem.
      reference: its answer.
      answers: each sample's answer as written, None where there is none.
      correct: whether it equals the reference; None where that is undecided.
      votes: what each decided sample votes for, with whether that is correct: the first answer
        with the same value, or, for the paper's votes, the answer as written. None abstains.
      programs: each sample's verdict as a program, None for texts.
      fell_back: whether each sample's answer is that of a text, its program having given none.
    """

    problem: Problem
    reference: str
    answers: tuple[str | None, ...]
    correct: tuple[bool | None, ...]
    votes: tuple[tuple[str | None, bool], ...]
    programs: tuple[str | None, ...] = ()
    fell_back: tuple[bool, ...] = ()

    @property
    def undecided(self) -> int:
        """Samples whose answer could not be compared in time."""
        return self.correct.count(None)

    @property
    def share_correct(self) -> Fraction | None:
        """The share of samples that are correct (mean@1, or a greedy answer's 0 or 1)."""
        if not self.votes:
            return None
        return Fraction(self.correct.count(True), len(self.votes))

    def pass_at_k(self, k: int) -> float | None:
        """Unbiased pass@k over all samples."""
        if not self.votes:
            return None
        n = len(self.votes)
        return pass_at_k(self.correct.count(True), n, min(k, n))

    def majority_at_k(self, k: int, votes: str, resamples: int, seed: int) -> float | None:
        """maj@k: over all subsets with ties shared, or by the paper's convention."""
        if not self.votes:
            return None
        if votes == "paper":
            first = [label for label, _ in self.votes[:k]]
            winner = metrics.first_majority(first)
            return float(winner is not None and dict(self.votes)[winner])
        counted = metrics.count_votes(self.votes)
        return metrics.majority_at_k(counted, min(k, counted.n), resamples, seed)


@dataclass(frozen=True, slots=True)
class Graded:
    """A problem's responses, graded.

    Attributes:
      problem: the problem.
      reference: its answer.
      grades: each response's.
      is_program: whether each response was graded as a program.
    """

    problem: Problem
    reference: str
    grades: tuple[Grade, ...]
    is_program: tuple[bool, ...]

    @property
    def has_unanswered(self) -> bool:
        """Whether some response gives no answer."""
        return any(grade.answer is None for grade in self.grades)


def grade(problem: Problem, responses: Sequence[Response], grader: Grader) -> Graded:
    """Grades a problem's responses.

    Raises:
      UserError: the problem's own answer cannot be read.
    """
    reference = grader.reference(problem)
    forms = [grader.form(one.form) for one in responses]
    grades = [
        grader.grade(one.text, one.finish_reason, reference, form)
        for one, form in zip(responses, forms, strict=True)
    ]
    return Graded(problem, reference, tuple(grades), tuple(form == PROGRAM for form in forms))


def score(graded: Graded, grader: Grader, votes: str, texts: Sequence[Response] = ()) -> Scored:
    """Counts a problem's grades.

    Incorrect answers vote by number or by normalised text: what two formulas mean is compared with
    the reference alone.

    Args:
      votes: `value` or `paper`.
      texts: what to grade instead of the programs that give no answer, by their index; none for
        no falling back.
    """
    problem, reference, grades = graded.problem, graded.reference, list(graded.grades)
    programs = tuple(
        one.verdict if is_program else None
        for one, is_program in zip(grades, graded.is_program, strict=True)
    )
    fell_back = tuple(bool(texts) and one.answer is None for one in grades)
    for index in (i for i, is_text in enumerate(fell_back) if is_text):
        grades[index] = grader.grade(texts[index].text, texts[index].finish_reason, reference)
    answers = tuple(one.answer for one in grades)
    correct = tuple(VERDICTS[one.verdict].answer_correct for one in grades)
    labels = answers if votes == "paper" else _labels_by_value(answers, grader)
    decided = [(label, ok) for label, ok in zip(labels, correct, strict=True) if ok is not None]
    return Scored(problem, reference, answers, correct, tuple(decided), programs, fell_back)


def _labels_by_value(answers: Sequence[str | None], grader: Grader) -> tuple[str | None, ...]:
    """For each answer, the first of the answers that has the same value."""
    first: dict[Hashable, str] = {}
    return tuple(a if a is None else first.setdefault(grader.value(a), a) for a in answers)


def count_steps(answer: str) -> int:
    """Steps of a reference: its annotated equations, or else its lines before the final answer."""
    annotated = answer.count("<<")
    path = answer.split("####")[0]
    return annotated or sum(bool(line.strip()) for line in path.splitlines())


def count_words(answer: str) -> int:
    """Length of a reference's path in words, the final answer left out."""
    return len(answer.split("####")[0].split())


def to_row(scored: Scored, k: int, majority: float | None) -> dict[str, Any]:
    """The problem's row of `predictions.jsonl`."""
    labels = [label for label, _ in scored.votes if label is not None]
    is_program = any(verdict is not None for verdict in scored.programs)
    return {
        "id": scored.problem.id,
        "reference": scored.reference,
        "answers": list(scored.answers),
        "correct": list(scored.correct),
        "votes": {label: labels.count(label) for label in dict.fromkeys(labels)},
        "maj@k": majority,
        "pass@k": scored.pass_at_k(k),
        "steps": count_steps(scored.problem.answer),
        "words": count_words(scored.problem.answer),
        **({"programs": list(scored.programs)} if is_program else {}),
        **({"fell_back": list(scored.fell_back)} if any(scored.fell_back) else {}),
    }
