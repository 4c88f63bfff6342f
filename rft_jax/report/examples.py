"""Samples to look at: what was asked, what was answered, and why it was kept or not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rft_jax.errors import UserError
from rft_jax.evaluation.inputs import sample_files
from rft_jax.records import VERDICTS, LedgerRow, read_samples
from rft_jax.report.ledgers import read_questions
from rft_jax.report.runs import Run, Stage, read_settings
from rft_jax.verify.answers import extract_answer, reference_answer
from rft_jax.verify.equations import EquationChecker, find_annotations
from rft_jax.verify.expressions import exact_postfix, exact_value

_LONGEST_SHOWN = 4000

Piece = tuple[str, str]  # text, and "" or "right" or "wrong" for an equation


@dataclass(frozen=True)
class Example:
    """One sample with all that explains it.

    Attributes:
      state: `kept`, `spare` (right, and not kept) or `rejected`.
      reason: why, in words.
      pieces: the response, cut at its equations.
    """

    row: LedgerRow
    question: str
    reference: str
    state: str
    reason: str
    pieces: tuple[Piece, ...]


def read_examples(
    run: Run, stage: Stage, drawn: Mapping[str, Sequence[LedgerRow]]
) -> list[Example]:
    """The drawn ledger rows with their responses, in order of verdict and draw.

    Rows whose samples are not on disk any more are left out.
    """
    made_with = read_settings(stage.folder)
    rows = [row for verdict in VERDICTS for row in drawn.get(verdict, ())]
    asked = read_questions(stage.folder, [row.id for row in rows])
    responses = _responses(_sample_folders(run, made_with), rows)
    checker = EquationChecker(made_with.get("equations", "paper"))
    examples = []
    for row in rows:
        response = responses.get((row.model, row.id, row.sample))
        if response is not None:
            question, human = asked.get(row.id, ("", ""))
            reference = reference_answer(human) or ""
            mode = made_with.get("answers", "first")
            reason = explain(row, response, reference, mode, checker)
            pieces = cut_at_equations(response[:_LONGEST_SHOWN], checker)
            examples.append(Example(row, question, reference, _state(row), reason, pieces))
    return examples


def _sample_folders(run: Run, made_with: Mapping[str, Any]) -> Iterator[Path]:
    """Where a collect folder's samples lie: as it was told, or among the run's own stages."""
    told = made_with.get("samples", [])
    for path in [told] if isinstance(told, str) else told:
        found = [at for at in (Path(path), run.folder / path) if at.exists()]
        yield from found[:1]
    for stage in run.of("sample"):
        yield stage.folder


def _responses(
    folders: Iterator[Path], rows: Sequence[LedgerRow]
) -> dict[tuple[str, str, int], str]:
    """(model, problem, sample) -> response, reading folders until all are found."""
    wanted = {(row.model, row.id, row.sample) for row in rows}
    found: dict[tuple[str, str, int], str] = {}
    for folder in folders:
        if len(found) == len(wanted):
            break
        try:
            files = sample_files(folder)
        except UserError:  # a folder that was emptied to save room explains nothing
            continue
        for file in files:
            for _, sample in read_samples(file):
                place = sample.model, sample.id, sample.sample
                if place in wanted:
                    found.setdefault(place, sample.response)
    return found


def _state(row: LedgerRow) -> str:
    if row.kept:
        return "kept"
    return "spare" if row.verdict == "correct" else "rejected"


def explain(
    row: LedgerRow, response: str, reference: str, mode: str, checker: EquationChecker
) -> str:
    """Why a sample got its verdict, in words."""
    if row.verdict == "correct":
        same = "the answer and all equations are right, but a kept path has the same equations"
        return "the answer and all equations are right" if row.kept else same
    if row.verdict == "wrong_answer":
        return f"answers {extract_answer(response, mode)}, the reference is {reference}"
    if row.verdict in ("wrong_equation", "malformed_equation"):
        return "; ".join(_equation_faults(response, checker)) or "an equation is not right"
    return {
        "timeout": "checking it took longer than is allowed",
        "truncated": "stopped by its length before it gave an answer",
        "no_answer": "gives no answer",
    }.get(row.verdict, row.verdict)


def _equation_faults(response: str, checker: EquationChecker) -> Iterator[str]:
    for equation in find_annotations(response):
        finding = checker.worst([equation])
        if finding == "malformed":
            yield f"{equation!r:.80} is no equation of numbers"
        elif finding == "wrong":
            yield f"{equation:.80} is wrong{_left_value(equation)}"


def _left_value(equation: str) -> str:
    left = equation.split("=")[0]
    try:
        value = exact_value(exact_postfix(left))
    except (ValueError, ArithmeticError):
        return ""
    return f" ({left.strip():.60} is {float(value):g})"


def cut_at_equations(text: str, checker: EquationChecker) -> tuple[Piece, ...]:
    """A text in pieces: each annotation by itself, marked right or wrong."""
    pieces: list[Piece] = []
    start = 0
    for equation in find_annotations(text):
        at = text.index(f"<<{equation}>>", start)
        end = at + len(equation) + 4
        kind = "right" if checker.worst([equation]) == "right" else "wrong"
        pieces += [(text[start:at], ""), (text[at:end], kind)]
        start = end
    return tuple(piece for piece in [*pieces, (text[start:], "")] if piece[0])
