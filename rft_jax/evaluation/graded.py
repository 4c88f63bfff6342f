"""Grades of all responses: where programs are among them, in a process per core."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rft_jax.evaluation.inputs import Response, Responses
from rft_jax.evaluation.scoring import Graded, grade
from rft_jax.evaluation.settings import EvaluateSettings
from rft_jax.progress import Progress
from rft_jax.records import PROGRAM, Problem
from rft_jax.verify.grading import Grader
from rft_jax.workers.pool import batches_of, cpu_cores, map_in_order

_BATCH_CHARACTERS = 64 << 10


class _Asked(NamedTuple):
    problem: Problem
    responses: Sequence[Response]


class GradingWorker:
    """Grades batches of problems, in this process or in another."""

    def __init__(self, settings: EvaluateSettings) -> None:
        self._grader = make_grader(settings)
        self.close = self._grader.close

    def __call__(self, batch: Sequence[_Asked]) -> list[Graded]:
        """The grades of each problem's responses.

        Raises:
          UserError: a problem's own answer cannot be read, or the sandbox failed.
        """
        return [grade(problem, responses, self._grader) for problem, responses in batch]


def make_grader(settings: EvaluateSettings) -> Grader:
    """The grader of an evaluation, which checks no steps."""
    is_paper = settings.votes == "paper"
    return Grader(
        settings.graded_by,
        timeout=settings.timeout,
        paper_tolerance=is_paper,
        programs=settings.programs,
    )


def grade_all(
    problems: Sequence[Problem], responses: Responses, settings: EvaluateSettings
) -> list[Graded]:
    """The grades of each problem's responses, in the order of the problems.

    Raises:
      UserError: a problem's own answer cannot be read, or the sandbox failed.
    """
    asked = [_Asked(problem, responses.by_problem[problem.id]) for problem in problems]
    workers = (settings.workers or cpu_cores()) if _has_programs(asked, settings) else 1
    graded: list[Graded] = []
    with Progress("score", len(problems), "problems") as progress:
        batches = batches_of(asked, _characters_of, _BATCH_CHARACTERS)
        for batch in map_in_order(GradingWorker, (settings,), batches, workers):
            graded += batch
            progress.update(len(graded))
    return graded


def _has_programs(asked: Iterable[_Asked], settings: EvaluateSettings) -> bool:
    if settings.answers == PROGRAM or settings.is_hybrid:
        return True
    return any(response.form == PROGRAM for one in asked for response in one.responses)


def _characters_of(one: _Asked) -> int:
    return sum(len(response.text) for response in one.responses)
