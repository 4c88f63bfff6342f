"""Metrics of responses to expressions: by size and kind of the expression, and of their steps.

Every line counts: a response without an answer, or with one that is not a number, is incorrect.
The truth is the exact value; an expected answer is that value rounded to two decimals.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from rft_jax.arithmetic.reading import (
    Profile,
    expression_value,
    plain_steps,
    profile,
    read_tokens,
)
from rft_jax.arithmetic.values import rounded
from rft_jax.errors import MistakeList, UserError
from rft_jax.evaluation.inputs import Response
from rft_jax.evaluation.intervals import mean_with_ci
from rft_jax.evaluation.step_faults import Fault, first_fault
from rft_jax.progress import quantity
from rft_jax.records import Problem
from rft_jax.verify.answers import ARITHMETIC, answer_reader
from rft_jax.verify.numbers import parse_number

TOLERANCE = Fraction(1, 100)
"""Relative error of `within_1_percent`."""
MEASURES = ("exact", "rounded", "within_1_percent")


class ScoredLine(NamedTuple):
    """One expression and its responses.

    Attributes:
      profile: what the expression looks like.
      shares: of the responses that are correct, by measure.
      faults: the first fault of each response's steps; None where all are correct.
    """

    profile: Profile
    shares: dict[str, float]
    faults: tuple[Fault | None, ...]

    @property
    def row(self) -> dict[str, Any]:
        """What `predictions.jsonl` says of it beside the answers."""
        faults = [fault and fault._asdict() for fault in self.faults]
        return {**self.profile._asdict(), **self.shares, "faults": faults}


def check_expressions(problems: Iterable[Problem], of: str) -> None:
    """Refuses questions that are expressions without a value to score by, all at once.

    Args:
      of: names the problems: the file, say.

    Raises:
      UserError: there are such questions; names them by id and question.
    """
    mistakes = MistakeList()
    for problem in problems:
        with mistakes.caught():
            try:
                expression_value(problem.question.removesuffix("="))
            except ValueError as why:
                named = f"problem {problem.id!r} ({problem.question[:60]!r})"
                raise UserError(f"{named} {why}; remove it") from None
    mistakes.raise_any(of)


def score_line(problem: Problem, responses: Sequence[Response]) -> ScoredLine:
    """Scores all responses to one expression, which `check_expressions` accepts."""
    expression = problem.question.removesuffix("=")
    truth = Fraction(expression_value(expression))
    read = answer_reader(ARITHMETIC)
    values = [parse_number(read(one.text) or "") for one in responses]
    shares = {
        measure: sum(value is not None and holds(value, truth) for value in values) / len(values)
        for measure, holds in _HOLDS.items()
    }
    faults = tuple(first_fault(expression, plain_steps(one.text.strip())) for one in responses)
    return ScoredLine(profile(expression, read_tokens(expression)), shares, faults)


_HOLDS: dict[str, Callable[[Fraction, Fraction], bool]] = {
    "exact": lambda value, truth: value in (truth, rounded(truth)),
    "rounded": lambda value, truth: rounded(value) == rounded(truth),
    "within_1_percent": lambda value, truth: abs(value - truth) <= abs(truth) * TOLERANCE,
}


def arithmetic_metrics(lines: Sequence[ScoredLine]) -> dict[str, Any]:
    """All measures over all lines, by operations, digits and kind, and by all three; the faults."""
    names = Profile._fields
    return {
        **_measures(lines),
        **{f"by_{name}": _grouped(lines, (name,)) for name in names},
        "by_all": _grouped(lines, names),
        "steps": _fault_counts(lines),
    }


def _measures(lines: Sequence[ScoredLine]) -> dict[str, Any]:
    return {name: mean_with_ci([line.shares[name] for line in lines]) for name in MEASURES}


def _grouped(lines: Sequence[ScoredLine], names: tuple[str, ...]) -> list[dict[str, Any]]:
    groups: dict[tuple[Any, ...], list[ScoredLine]] = {}
    for line in lines:
        key = tuple(getattr(line.profile, name) for name in names)
        groups.setdefault(key, []).append(line)
    return [
        {**dict(zip(names, key, strict=True)), **_measures(groups[key])} for key in sorted(groups)
    ]


def _fault_counts(lines: Iterable[ScoredLine]) -> dict[str, Any]:
    """Responses with a fault in their steps: how many, of which kind, and at which step."""
    all_faults = [fault for line in lines for fault in line.faults]
    faults = [fault for fault in all_faults if fault is not None]
    kinds = Counter(fault.kind for fault in faults)
    steps = Counter(fault.step for fault in faults)
    return {
        "responses": len(all_faults),
        "faulty": len(faults),
        **{kind: kinds[kind] for kind in ("operation", "copying", "malformed")},
        "first_wrong_step": {str(step): steps[step] for step in sorted(steps)},
    }


def arithmetic_lines(metrics: dict[str, Any]) -> list[str]:
    """What is printed beside the accuracy."""
    found = metrics.get("arithmetic")
    if found is None:
        return []
    values = {name: f"{found[name]['value']:.1%}" for name in MEASURES}
    steps, faulty = found["steps"], quantity(found["steps"]["faulty"], "response")
    return [
        f"  {values['exact']} exact, {values['rounded']} after rounding, "
        f"{values['within_1_percent']} within 1 %",
        f"  of {faulty} with a wrong step: {steps['operation']:,} in an operation, "
        f"{steps['copying']:,} in copying, {steps['malformed']:,} malformed",
    ]
