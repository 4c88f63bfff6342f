"""Samples to look at: the question, the response, and why it was kept or rejected, by the ledger.

Nothing is verified here: verdicts and reasons are those that `rft collect` wrote.
"""

from __future__ import annotations

import hashlib
import heapq
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from rft_jax.errors import UserError
from rft_jax.records import (
    PATHS_FILE,
    VERDICTS,
    LedgerRow,
    Problem,
    Sample,
    read_ledger,
    read_paths,
)
from rft_jax.records.foreign import read_any_samples
from rft_jax.report.highlight import Piece, cut, program_pieces
from rft_jax.report.runs import RunRecord, StageRecord, read_settings

LONGEST_SHOWN = 4000
"""Characters of a response."""
PER_PROBLEM = 8
"""Samples of a problem whose id is a link."""
_PRINTS_IT = "its program prints the reference's answer"
_ANNOTATION = re.compile(r"(<<[^>]*>>)")

# What duplicates share, by the dedup level; equations at all others.
_SHARED = {"exact_text": "text", "program": "program", "trace": "operations"}


@dataclass(frozen=True)
class Example:
    """One sample with all that explains it.

    Attributes:
      row: of the ledger.
      question: of the problem.
      reference: the last line of the reference solution.
      state: `kept`, `spare` (correct, and not kept) or `rejected`; of an answer to a test problem
        `solved` or `rejected`.
      reason: why, in words.
      pieces: the response, cut where its marking changes.
      output: the last line that its program prints; '' for a text, and for no output.
    """

    row: LedgerRow
    question: str
    reference: str
    state: str
    reason: str
    pieces: tuple[Piece, ...]
    output: str = ""


def choose_rows(
    folder: Path, per_verdict: int, seed: int, problems: Collection[str] = ()
) -> dict[str, list[LedgerRow]]:
    """Up to `per_verdict` random ledger rows of each verdict, in random order, in one pass.

    Which ones depends on the seed and the rows alone, not on their order in the file.

    Args:
      problems: ids of problems of which `PER_PROBLEM` further rows come after the others.
    """
    further: dict[str, list[LedgerRow]] = defaultdict(list)
    heaps: dict[str, list[tuple[int, int, LedgerRow]]] = defaultdict(list)
    for number, row in enumerate(read_ledger(folder) if per_verdict else ()):
        heap, item = heaps[row.verdict], (random_order(row, seed), -number, row)
        if len(heap) < per_verdict:
            heapq.heappush(heap, item)
        elif item > heap[0]:
            heapq.heapreplace(heap, item)
        if row.id in problems and len(further[row.id]) < PER_PROBLEM:
            further[row.id].append(row)
    chosen = {
        verdict: [row for *_, row in sorted(heap, reverse=True)] for verdict, heap in heaps.items()
    }
    for row in (row for rows in further.values() for row in rows):
        if row not in chosen[row.verdict]:
            chosen[row.verdict].append(row)
    return chosen


def random_order(row: LedgerRow, seed: int) -> int:
    """A random number of a row; the largest are chosen first."""
    text = f"{seed}\0{row.model}\0{row.id}\0{row.sample}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.sha256(text).digest()[:8])


def stage_examples(
    run: RunRecord, stage: StageRecord, chosen: Mapping[str, Sequence[LedgerRow]]
) -> list[Example]:
    """The chosen ledger rows with their responses, in order of verdict and choice.

    Rows whose samples are no longer on disk are left out.
    """
    settings = read_settings(stage.folder)
    rows = [row for verdict in VERDICTS for row in chosen.get(verdict, ())]
    problems = _read_problems(stage.folder, {row.id for row in rows})
    is_program = settings.get("answers") == "program"
    responses = {
        key: [(sample.response, "program" if is_program else sample.form)]
        for key, sample in _samples(
            sample_folders(run, stage, settings),
            rows,
            [Problem(name, question, "") for name, (question, _) in problems.items()],
            settings.get("samples_format", ""),
        ).items()
    }
    return [
        Example(
            row,
            *problems.get(row.id, ("", "")),
            _state(row),
            explain_sample(row, settings, form),
            mark(response[:LONGEST_SHOWN], row, settings, form),
            (row.answer or "") if form == "program" else "",
        )
        for row in rows
        for response, form in responses.get((row.model, row.id, row.sample), ())
    ]


def _read_problems(folder: Path, ids: set[str]) -> dict[str, tuple[str, str]]:
    """Question and last line of the reference solution, from a collect folder's `paths.jsonl`.

    The latter is empty where the reference was left out of the training paths; a problem without
    any path is missing.
    """
    found: dict[str, tuple[str, str]] = {}
    for _, path in read_paths(folder / PATHS_FILE):
        if path.id in ids:
            last = path.response.strip().rpartition("\n")[2].removeprefix("#### ")
            found.setdefault(path.id, (path.query, last if path.origin == "human" else ""))
    return found


def sample_folders(
    run: RunRecord, stage: StageRecord, settings: Mapping[str, Any]
) -> Iterator[Path]:
    """Sample folders of a collect stage: beside it, below the working folder, or in the run.

    Its settings have their names alone, for it may have been moved along with them.
    """
    names = settings.get("samples", [])
    for name in [names] if isinstance(names, str) else names:
        candidates = (stage.folder.resolve().parent / name, Path(name), run.folder / name)
        yield from [path for path in candidates if path.exists()][:1]
    for sampling in run.of("sample"):
        yield sampling.folder


def _samples(
    folders: Iterator[Path],
    rows: Sequence[LedgerRow],
    problems: Sequence[Problem],
    samples_format: str,
) -> dict[tuple[str, str, int], Sample]:
    """(model, problem, sample) -> the sample, reading folders until all are found."""
    wanted = {(row.model, row.id, row.sample) for row in rows}
    samples: dict[tuple[str, str, int], Sample] = {}
    for folder in folders:
        if len(samples) == len(wanted):
            break
        # What was emptied to save space, or cannot be read any more, explains nothing.
        with suppress(UserError):
            for _, sample in read_any_samples(problems, folder, samples_format, True):
                key = sample.model, sample.id, sample.sample
                if key in wanted:
                    samples.setdefault(key, sample)
    return samples


def _state(row: LedgerRow) -> str:
    if row.kept:
        return "kept"
    return "spare" if row.verdict == "correct" else "rejected"


def explain_sample(row: LedgerRow, settings: Mapping[str, Any], form: str = "text") -> str:
    """Why a sample got its verdict and was kept or not, in words.

    Args:
      settings: of the collecting.
      form: of the sample.
    """
    is_correct_program = form == "program" and row.verdict == "correct"
    words = _PRINTS_IT if is_correct_program else VERDICTS[row.verdict].words
    words = words if row.reason is None else row.reason.detail
    if _state(row) != "spare":
        return words
    shared = _SHARED.get(str(settings.get("dedup")), "equations")
    causes = [f"a kept path has the same {shared}"]
    if not settings.get("keep_unannotated", True):
        causes.append("it has no equation")
    if settings.get("remove_ngram"):
        causes.append("it shares words with the test problems")
    return f"{words}, but {' or '.join(causes)}"


def mark(
    text: str, row: LedgerRow, settings: Mapping[str, Any], form: str = "text"
) -> tuple[Piece, ...]:
    """A response in pieces: the annotations that were found correct, or the line at fault.

    Args:
      settings: of the collecting.
      form: of the sample; a program's syntax is marked.
    """
    pieces: list[Piece] = program_pieces(text) if form == "program" else [(text, "")]
    if row.reason is not None and row.reason.line is not None:
        lines, number = StringIO(text).readlines(), row.reason.line
        begin = len("".join(lines[: number - 1]))
        end = len("".join(lines[:number]))
        fault = (text[begin:end], "incorrect")
        pieces = [*cut(pieces, 0, begin), fault, *cut(pieces, end, len(text))]
    elif form == "program":
        pass
    elif row.verdict == "correct" and settings.get("equation_source") != "text":
        kinds = ("", "correct")
        pieces = [(one, kinds[i % 2]) for i, one in enumerate(_ANNOTATION.split(text))]
    return tuple(piece for piece in pieces if piece[0])
