"""Responses to single test problems: their verdicts, and where they are found."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rft_jax.files.jsonl import read_json, write_json
from rft_jax.records import Sample
from rft_jax.report.answers import answers, read_problems_of, verdict_of
from rft_jax.report.runs import greedy_evaluations, read_run
from rft_jax.report.sides import Side, read_side

MakeRun = Callable[..., Path]


@pytest.mark.parametrize(
    ("row", "finish", "verdict"),
    [
        ({"correct": [True], "answers": ["1"]}, "stop", "correct"),
        ({"correct": [None], "answers": ["1"]}, "stop", "timeout"),
        ({"correct": [False], "answers": ["2"]}, "length", "wrong_answer"),
        ({"correct": [False], "answers": [None]}, "stop", "no_answer"),
        ({"correct": [False], "answers": [None]}, "length", "truncated"),
        (
            {"correct": [False], "answers": [None], "programs": ["program_error"]},
            "stop",
            "program_error",
        ),
        (
            {"correct": [False], "answers": ["2"], "programs": ["wrong_answer"]},
            "stop",
            "wrong_answer",
        ),
        ({"correct": [True], "answers": ["1"], "programs": ["no_output"]}, "stop", "correct"),
    ],
)
def test_a_verdict_is_that_of_the_answer_that_counted(
    row: dict[str, Any], finish: str, verdict: str
) -> None:
    assert verdict_of(row, Sample("q", 0, "m", 0, "", None, finish, None)) == verdict


def _side(folder: Path, arm: str = "rft") -> Side:
    run = read_run(str(folder))
    (stage,) = (one for one in greedy_evaluations(run) if one.arm == arm)
    return read_side(run, stage)


def test_an_answer_has_its_question_response_and_reason(make_run: MakeRun) -> None:
    side = _side(make_run())
    problems = read_problems_of(side, {"test/0", "test/1", "test/2", "test/3", "test/4", "test/5"})
    found = answers(side, problems)
    assert list(found) == [f"test/{i}" for i in range(6)]
    for name, example in found.items():
        reference = side.predictions[name]["reference"]
        assert example.question.endswith("How many are left?")
        text = "".join(piece for piece, _ in example.pieces)
        if side.solves(name):
            assert (example.state, example.reason) == (
                "solved",
                f"answers {reference}, as the reference",
            )
            assert text.endswith(f"#### {reference}")
        else:
            assert example.state == "rejected" and example.row.verdict == "wrong_answer"
            assert example.reason == f"answers 7, the reference is {reference}"
    assert {example.state for example in found.values()} == {"solved", "rejected"}


def test_without_its_problems_an_evaluation_has_references_and_without_samples_nothing(
    make_run: MakeRun,
) -> None:
    folder = make_run()
    (folder / "problems/tests.jsonl").unlink()
    side = _side(folder)
    (problem,) = read_problems_of(side, {"test/0"}).values()
    assert (problem.question, problem.answer) == ("", side.predictions["test/0"]["reference"])
    (side.stage.folder / "samples/samples-00000-of-00001.jsonl").unlink()
    assert answers(side, {"test/0": problem}) == {}
    shutil.rmtree(side.stage.folder / "samples")
    settings = side.stage.folder / "settings.json"
    write_json(settings, read_json(settings) | {"samples": None})  # of rft evaluate --model
    assert answers(side, {"test/0": problem}) == {}
