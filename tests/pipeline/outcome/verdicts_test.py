"""Shares of verdicts among the responses of an evaluation."""

from __future__ import annotations

from pathlib import Path

import pytest

from rft_jax.files.jsonl import write_rows
from rft_jax.pipeline.outcome.verdicts import VerdictShare
from rft_jax.pipeline.stages import Given, Stage
from rft_jax.records import Problem, Sample, to_row

RESPONSES = {
    "a": "<<1+2*3=1+6=7>>7\n#### 7",
    "b": "<<1+2*3=1+5=7>>7\n#### 7",
    "c": "<<1+2=4>>4 <<4+3=7>>7\n#### 7",
    "d": "<<1+2=4>>4\n#### 4",
    "e": "So many",
}


def test_a_correct_answer_behind_an_incorrect_calculation_counts(tmp_path: Path) -> None:
    problems = [Problem(name, f"{name}?", "#### 7") for name in RESPONSES]
    samples = [Sample(n, 0, "m", 0, text, None, "stop", None) for n, text in RESPONSES.items()]
    write_rows(tmp_path / "problems.jsonl", map(to_row, problems))
    stage = Stage("evaluate", "sft", 0, {"--problems": Given("problems.jsonl")})
    folder = tmp_path / stage.folder / "samples"
    write_rows(folder / "samples-00000-of-00001.jsonl", map(to_row, samples))
    shares = {
        name: VerdictShare(stage, name).read(tmp_path)
        for name in ("correct", "wrong_equation", "wrong_answer", "no_answer", "timeout")
    }
    assert shares == pytest.approx(
        {"correct": 0.2, "wrong_equation": 0.4, "wrong_answer": 0.2, "no_answer": 0.2, "timeout": 0}
    )
