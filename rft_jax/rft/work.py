"""One batch of problems: what a worker does, in this process or in another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from rft_jax.records import Problem
from rft_jax.rft.counting import count_problem, count_reference, suspicion
from rft_jax.rft.decontaminate import make_decontaminator
from rft_jax.rft.graded import Graded, SampleGrader, solution_row
from rft_jax.rft.problem import Selection, ledger_lines, path_lines, select_paths
from rft_jax.rft.rows import parse_rows
from rft_jax.rft.samples import Block
from rft_jax.rft.settings import CollectSettings
from rft_jax.rft.tally import Tally


class Task(NamedTuple):
    """A problem, its number in the input, and its samples as lines."""

    number: int
    problem: Problem
    blocks: Sequence[Block]


@dataclass
class Result:
    """What came out of a batch.

    Attributes:
      paths, ledger: lines of the two files, encoded.
      tally: its counts.
      models: the names of the models in the samples, each with the index of its folder.
    """

    paths: bytes = b""
    ledger: bytes = b""
    tally: Tally = field(default_factory=Tally)
    models: set[tuple[str, int]] = field(default_factory=set)


class Worker:
    """Does batches; it remembers the equations that it has checked."""

    def __init__(self, settings: CollectSettings) -> None:
        self._settings = settings
        self._grader = SampleGrader(settings)
        self.close = self._grader.close
        self._decontaminator = make_decontaminator(settings)

    def __call__(self, batch: Sequence[Task]) -> Result:
        """What comes out of a batch.

        Raises:
          UserError: a mistake in the input.
        """
        result = Result()
        lines = [self._work(task, result) for task in batch]
        result.ledger, result.paths = (
            # A lone surrogate, which can only stand inside a JSON string, becomes its escape.
            "".join(column).encode("utf-8", "backslashreplace")
            for column in zip(*lines, strict=True)
        )
        return result

    def _work(self, task: Task, result: Result) -> tuple[str, str]:
        """Adds a problem to the counts; its lines of the ledger and of the paths."""
        rows = parse_rows(task.blocks)
        if self._settings.first_samples:
            rows = [row for row in rows if row.sample < self._settings.first_samples]
        result.models.update((row.model, row.folder) for row in rows)
        reference = self._grader.reference(task.problem)
        rows.insert(0, solution_row(task.problem))
        solution, *graded = self._grader.grade(rows, reference)
        count_reference(result.tally, task.number, task.problem, reference, solution)
        selection = self._select(task, solution, graded, result.tally)
        count_problem(result.tally, graded, solution, selection, self._settings)
        share, value_of = self._settings.suspicious_share, self._grader.value
        if found := suspicion(graded, reference, share, value_of):
            result.tally.suspicious[task.number] = {"id": task.problem.id, **found}
        return (
            ledger_lines(task.problem, graded, selection),
            path_lines(task.problem, graded, solution, selection),
        )

    def _select(
        self, task: Task, solution: Graded, graded: Sequence[Graded], tally: Tally
    ) -> Selection:
        """Keeps the distinct correct samples of a problem, without what a test set has too."""
        if not self._decontaminator:
            return select_paths(graded, solution, self._settings)
        correct = [one.row.response for one in graded if one.grade.verdict == "correct"]
        excluded = self._decontaminator.exclude(task.problem, correct)
        selection = select_paths(graded, solution, self._settings, excluded)
        texts = [row.response for row in selection.rows if row.folder >= 0]
        self._decontaminator.count(tally, task.number, task.problem, [*texts, *excluded.texts])
        return selection
