"""Samples with what was decided about them: a grade, and the key that duplicates share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rft_jax.records import Problem
from rft_jax.rft.dedup import KEYS
from rft_jax.rft.rows import Row
from rft_jax.rft.settings import CollectSettings
from rft_jax.verify.grading import Grade, Grader


class Graded(NamedTuple):
    """A sample, its grade and its dedup key."""

    row: Row
    grade: Grade
    key: str


class SampleGrader:
    """Grades samples and gives each its dedup key, by the settings of collecting."""

    def __init__(self, settings: CollectSettings) -> None:
        steps = settings.equations, settings.equation_source
        self._grader = Grader(
            settings.answers, *steps, settings.timeout, programs=settings.programs
        )
        self._key = KEYS[settings.dedup]
        self.reference, self.value = self._grader.reference, self._grader.value
        self.close = self._grader.close

    def grade(self, rows: Sequence[Row], reference: str) -> list[Graded]:
        """Grades samples of one problem, whose final answer is `reference`, each by its form.

        A reference solution has its own; every sample is a program if the settings say so.
        """
        grade, key = self._grader.grade, self._key
        if self._grader.reads_programs:
            form = self._grader.form
            rows = [row if row.folder < 0 else row._replace(form=form(row.form)) for row in rows]
        grades = (grade(row.response, row.finish_reason, reference, row.form) for row in rows)
        return [
            Graded(row, one, key(row, one.equations)) for row, one in zip(rows, grades, strict=True)
        ]


def solution_row(problem: Problem) -> Row:
    """A problem's reference solution as a sample, before those of all folders."""
    return Row(-1, -1, "", problem.answer, "stop", None, problem.form)
