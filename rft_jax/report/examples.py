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
from rft_jax.verify.running_text import equation_source

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
    responses = _responses(_sample_folders(run, stage, made_with), rows)
    checker = EquationChecker(made_with.get("equations", "paper"))
    examples = []
    for row in rows:
        response = responses.get((row.model, row.id, row.sample))
        if response is not None:
            question, human = asked.get(row.id, ("", ""))
            reference = reference_answer(human) or ""
            reason = explain(row, response, reference, made_with, checker)
            pieces = cut_at_equations(response[:_LONGEST_SHOWN], checker)
            examples.append(Example(row, question, reference, _state(row), reason, pieces))
    return examples


def _sample_folders(run: Run, stage: Stage, made_with: Mapping[str, Any]) -> Iterator[Path]:
    """Where a collect folder's samples lie: beside it, below here, or among the run's stages.

    The folder knows them by their names alone, for it may have been moved along with them.
    """
    told = made_with.get("samples", [])
    for path in [told] if isinstance(told, str) else told:
        beside = (stage.folder.resolve().parent / path, Path(path), run.folder / path)
        found = [at for at in beside if at.exists()]
        yield from found[:1]
    for drawn in run.of("sample"):
        yield drawn.folder


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
    row: LedgerRow,
    response: str,
    reference: str,
    made_with: Mapping[str, Any],
    checker: EquationChecker,
) -> str:
    """Why a sample got its verdict, in words.

    Args:
      made_with: settings of the collecting.
    """
    equations = equation_source(made_with.get("equation_source", "annotations"))(response)
    if row.verdict == "correct":
        right = "the answer and all equations are right"
        return right if row.kept else f"{right}, but {_why_spare(equations, made_with)}"
    if row.verdict == "wrong_answer":
        answer = extract_answer(response, made_with.get("answers", "first"))
        return f"answers {answer}, the reference is {reference}"
    if row.verdict in ("wrong_equation", "malformed_equation"):
        return "; ".join(_equation_faults(equations, checker)) or "an equation is not right"
    return {
        "timeout": "checking it took longer than is allowed",
        "truncated": "stopped by its length before it gave an answer",
        "no_answer": "gives no answer",
    }.get(row.verdict, row.verdict)


def _why_spare(equations: Sequence[str], made_with: Mapping[str, Any]) -> str:
    """Why a right path was not kept."""
    if not (equations or made_with.get("keep_unannotated", True)):
        return "it has no equation"
    text = made_with.get("dedup") == "exact_text"
    same = f"a kept path has the same {'text' if text else 'equations'}"
    overlap = ", or it shares words with the test problems"
    return same + overlap if made_with.get("remove_ngram") else same


def _equation_faults(equations: Sequence[str], checker: EquationChecker) -> Iterator[str]:
    for equation in equations:
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
