from __future__ import annotations

from rft_jax.records import Problem
from rft_jax.rft.graded import SampleGrader, solution_row
from rft_jax.rft.rows import Row
from rft_jax.rft.settings import CollectSettings


def test_each_sample_has_a_key_whatever_its_verdict() -> None:
    rows = [Row(0, 0, "m", text, "stop", None) for text in ("<<1+1=3>>", "<<1 + 1=2>>#### 1", "")]
    graded = SampleGrader(CollectSettings()).grade(rows, "18")
    assert [one.key for one in graded] == ["1+1=3", "1+1=2", ""]
    assert [one.row for one in graded] == rows
    assert all(one.grade.verdict != "correct" for one in graded)


def test_a_reference_solution_is_graded_as_a_sample_is() -> None:
    problem = Problem("p", "?", "<<9+9=18>>\n#### 18")
    grader = SampleGrader(CollectSettings())
    (solution,) = grader.grade([solution_row(problem)], grader.reference(problem))
    assert solution.grade.verdict == "correct" and solution.key == "9+9=18"
