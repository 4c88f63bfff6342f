"""Responses of evaluations to single problems, with their verdicts, as samples to look at."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from rft_jax.errors import UserError
from rft_jax.files.names import SAMPLES_FOLDER
from rft_jax.records import VERDICTS, LedgerRow, Problem, Sample, read_problems
from rft_jax.records.foreign import read_any_samples
from rft_jax.report.examples import LONGEST_SHOWN, Example, sample_folders
from rft_jax.report.highlight import program_pieces
from rft_jax.report.runs import read_settings
from rft_jax.report.sides import Side


def read_problems_of(side: Side, ids: Collection[str]) -> dict[str, Problem]:
    """Problem id -> the problem, from the file that the evaluation read.

    A problem whose file is not beside the evaluation any more has its reference's answer alone.
    """
    found = {}
    for file in _problem_files(side):
        with suppress(UserError):
            found = {one.id: one for one in read_problems(file) if one.id in ids}
        if found:
            break
    missing = {name: side.predictions[name]["reference"] for name in ids if name not in found}
    return found | {name: Problem(name, "", answer) for name, answer in missing.items()}


def _problem_files(side: Side) -> Iterator[Path]:
    """Where they may be: in the run's folder, beside the stage, below the working folder."""
    name = str(read_settings(side.stage.folder).get("problems", "")).rpartition(" ")[0]
    stage = side.stage.folder.resolve()
    for folder in (stage.parent.parent / "problems", stage.parent, Path()):
        if name and (folder / name).is_file():
            yield folder / name


def answers(side: Side, problems: Mapping[str, Problem]) -> dict[str, Example]:
    """Problem id -> the evaluation's response to it; none where it is no longer on disk."""
    samples = _first_samples(side, problems)
    return {name: _example(side, problems[name], sample) for name, sample in samples.items()}


def _first_samples(side: Side, problems: Mapping[str, Problem]) -> dict[str, Sample]:
    """Problem id -> its first sample: of the evaluation's own, or of those that it was given."""
    settings = read_settings(side.stage.folder)
    own = side.stage.folder / SAMPLES_FOLDER
    asked = [one for name, one in problems.items() if name in side.predictions]
    found: dict[str, Sample] = {}
    is_own = own.is_dir() or not settings.get("samples")
    for folder in [own] if is_own else sample_folders(side.run, side.stage, settings):
        with suppress(UserError):
            form = settings.get("samples_format", "")
            for _, sample in read_any_samples(asked, folder, form, skips_others=True):
                if sample.id in problems and sample.sample == 0:
                    found.setdefault(sample.id, sample)
        if found:
            break
    return found


def _example(side: Side, problem: Problem, sample: Sample) -> Example:
    row = side.predictions[problem.id]
    answer = row["answers"][0]
    verdict = verdict_of(row, sample)
    text = sample.response[:LONGEST_SHOWN]
    is_program = bool(row.get("programs"))
    reason = VERDICTS[verdict].words
    if verdict == "wrong_answer":
        reason = f"answers {answer}, the reference is {row['reference']}"
    if row.get("fell_back", [False])[0]:
        reason += "; its program gives no answer, so that its text was read"
    return Example(
        LedgerRow(problem.id, sample.sample, side.name, verdict, None, answer, None, False),
        problem.question,
        str(row["reference"]),
        "solved" if side.solves(problem.id) else "rejected",
        reason if verdict != "correct" else f"answers {answer}, as the reference",
        tuple(program_pieces(text)) if is_program else ((text, ""),),
    )


def verdict_of(row: Mapping[str, Any], sample: Sample) -> str:
    """The verdict on an answer: evaluations check no equations.

    Args:
      row: of `predictions.jsonl`.
      sample: the problem's first.
    """
    correct, program = row["correct"][0], (row.get("programs") or [None])[0]
    if correct is not False:
        return "correct" if correct else "timeout"
    if row["answers"][0] is not None:
        return "wrong_answer"
    if program not in (None, "correct"):
        return str(program)
    return "truncated" if sample.finish_reason == "length" else "no_answer"
