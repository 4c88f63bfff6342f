"""Evaluations in which most responses give no answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from rft_jax.evaluation.evaluate import evaluate
from rft_jax.evaluation.inputs import Response, Responses
from rft_jax.evaluation.scoring import Scored
from rft_jax.evaluation.settings import EvaluateSettings
from rft_jax.evaluation.unread import unread_metrics, unread_note
from rft_jax.files.jsonl import write_rows
from rft_jax.records import Problem


def _evaluate(folder: Path, *responses: str) -> dict[str, object]:
    problems = [
        {"id": f"q{i}", "question": f"{i}?", "answer": "It is 2.\n#### 2"}
        for i in range(len(responses))
    ]
    samples = [
        {"id": f"q{i}", "sample": 0, "model": "m", "seed": 0, "response": response}
        for i, response in enumerate(responses)
    ]
    write_rows(folder / "problems.jsonl", problems)
    write_rows(folder / "samples.jsonl", samples)
    out, paths = str(folder / "out"), [str(folder / "samples.jsonl")]
    return evaluate(str(folder / "problems.jsonl"), out, EvaluateSettings(), samples=paths)


def test_the_first_line_names_the_reader_that_reads_the_responses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    metrics = _evaluate(tmp_path, *[r"so \boxed{2}"] * 3, "I don't know")
    readable = metrics["readable"]
    assert isinstance(readable, dict) and readable["boxed"] == 0.75
    first = next(x for x in capsys.readouterr().out.splitlines() if x.startswith("m: "))
    assert "warning: 100% of the responses give no answer (evaluate.answers = 'boxed'" in first
    assert "reads 75%" in first


def test_where_no_reader_finds_an_answer_that_is_said() -> None:
    note = unread_note({"no_answer": 0.9, "readable": {}})
    assert note == "90% of the responses give no answer (no reader finds one)"


def test_a_reader_in_use_is_not_recommended_and_programs_have_none(tmp_path: Path) -> None:
    metrics = _evaluate(tmp_path, *["so\n#### 5"] * 4, *["I don't know"] * 6)
    assert metrics["no_answer"] == pytest.approx(0.6) and metrics["readable"] == {}
    crashed = Scored(Problem("q", "2?", "#### 2"), "2", (None,), (False,), (), ("error",), (False,))
    responses = Responses("m", {"q": [Response("raise 2", "stop", "program", None)]}, True)
    assert unread_metrics([crashed], responses, 1.0) == {}
    assert unread_note({"no_answer": 1.0}) == ""


def test_responses_that_are_read_have_no_note(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    metrics = _evaluate(tmp_path, "so\n#### 2", "so\n#### 3", "I don't know")
    assert "readable" not in metrics and unread_note(metrics) == ""
    assert "warning" not in capsys.readouterr().out
