"""One batch of problems: what a worker does, in this process or in another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from rft_jax.errors import UserError
from rft_jax.records import Problem
from rft_jax.rft.decontaminate import NOTHING, make_decontaminator
from rft_jax.rft.judge import Judge, Judged
from rft_jax.rft.problem import Kept, count_problem, keep_distinct, ledger_lines, path_lines
from rft_jax.rft.rows import Row, parse_rows
from rft_jax.rft.samples import Block
from rft_jax.rft.settings import CollectSettings
from rft_jax.rft.tally import Tally
from rft_jax.verify.answers import reference_answer
from rft_jax.verify.symbolic import SymbolicComparer


class Task(NamedTuple):
    """A problem, its place in the input, and its samples as lines."""

    place: int
    problem: Problem
    blocks: Sequence[Block]


@dataclass
class Result:
    """What came out of a batch.

    Attributes:
      paths, ledger: lines of the two files, encoded.
      tally: its counts.
      models: index of sample folder -> the model names in it.
      error: a mistake of the user's that ends the work.
    """

    paths: bytes = b""
    ledger: bytes = b""
    tally: Tally = field(default_factory=Tally)
    models: dict[int, set[str]] = field(default_factory=dict)
    error: str | None = None


def make_worker(settings: CollectSettings) -> Callable[[Sequence[Task]], Result]:
    """Returns the function that does a batch; it keeps what it learns about equations."""
    worker = _Worker(settings)

    def work(batch: Sequence[Task]) -> Result:
        try:
            return worker.work(batch)
        except UserError as error:
            return Result(error=str(error))

    return work


class _Worker:
    def __init__(self, settings: CollectSettings) -> None:
        self._settings = settings
        self._judge = Judge(settings, SymbolicComparer(settings.timeout))
        self._decontaminator = make_decontaminator(settings)

    def work(self, batch: Sequence[Task]) -> Result:
        result = Result()
        paths, ledger = [], []
        for task in batch:
            rows = parse_rows(task.blocks)
            if self._settings.first_samples:
                rows = [row for row in rows if row.sample < self._settings.first_samples]
            for row in rows:
                result.models.setdefault(row.folder, set()).add(row.model)
            judged, kept = self._resolve(task, rows, result.tally)
            ledger.append(ledger_lines(task.problem, judged, kept))
            paths.append(path_lines(task.problem, judged, kept, self._judge))
        result.ledger = _encode(ledger)
        result.paths = _encode(paths)
        return result

    def _resolve(
        self, task: Task, rows: Sequence[Row], tally: Tally
    ) -> tuple[Sequence[Judged], Kept]:
        """Judges a problem's samples, keeps the distinct right ones, and counts."""
        place, problem, _ = task
        reference = reference_answer(problem.answer, self._settings.answers)
        if reference is None:
            raise UserError(
                f"problem {problem.id!r} has no answer; end its solution with '#### n' or \\boxed"
            )
        judged = self._judge.judge(rows, reference)
        excluded = NOTHING
        if self._decontaminator:
            right = [item.row.response for item in judged if item.verdict == "correct"]
            excluded = self._decontaminator.exclude(problem, right)
        kept = keep_distinct(problem, judged, self._judge, self._settings, excluded)
        if self._decontaminator:
            texts = [row.response for row in kept.rows if row.folder >= 0]
            self._decontaminator.count(tally, place, problem, [*texts, *excluded.texts])
        count_problem(tally, place, problem, reference, judged, kept, self._settings)
        return judged, kept


def _encode(lines: Sequence[str]) -> bytes:
    """UTF-8; a lone surrogate, which can only stand inside a JSON string, becomes its escape."""
    return "".join(lines).encode("utf-8", "backslashreplace")
