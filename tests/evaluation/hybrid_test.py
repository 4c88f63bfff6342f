"""Hybrid decoding: which samples fall back to a text, and what is measured of either side."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rft_jax.errors import UserError
from rft_jax.evaluation.evaluate import evaluate
from rft_jax.evaluation.settings import EvaluateSettings
from rft_jax.files.jsonl import read_rows, write_json, write_rows
from tests.evaluation.programs_test import write_problem, write_samples
from tests.sandboxed import needs_sandbox

SETTINGS = EvaluateSettings(answers="hybrid", bootstrap_resamples=10)
PROGRAMS = [["print(18)", "print(19)"], ["print(", "print(7)"], ["import re", "x = 1"]]
TEXTS = [
    ["#### 0", "#### 18"],
    [r"so \boxed{7}", "#### 0"],
    ["The answer is 3.", "#### 5"],
]


def _evaluate(tmp_path: Path, texts: list[list[str]] | None = None, **fields: Any) -> dict:
    problems = write_problem(tmp_path, "#### 18", "#### 7", "#### 5")
    programs = write_samples(tmp_path, "programs.jsonl", *PROGRAMS, **fields)
    fallback = None if texts is None else write_samples(tmp_path, "texts.jsonl", *texts, **fields)
    out = str(tmp_path / "out")
    return evaluate(problems, out, SETTINGS, samples=programs, fallback=fallback)


def test_a_sample_falls_back_where_its_program_gives_no_answer_and_only_there(
    tmp_path: Path, capsys: Any
) -> None:
    metrics = _evaluate(tmp_path, TEXTS, tokens=[1, 2, 3])
    rows = [row for _, row in read_rows(tmp_path / "out" / "predictions.jsonl")]
    assert [row["answers"] for row in rows] == [["18", "19"], ["7", "7"], ["3", "5"]]
    assert [row.get("fell_back") for row in rows] == [None, [True, False], [True, True]]
    assert metrics["mean@1"]["value"] == pytest.approx((0.5 + 1 + 0.5) / 3)
    hybrid = metrics["hybrid"]
    assert hybrid["fallback"] == 0.5
    assert (hybrid["programs"]["samples"], hybrid["texts"]["samples"]) == (3, 3)
    assert hybrid["programs"]["accuracy"]["value"] == pytest.approx((0.5 + 1) / 2)
    assert hybrid["texts"]["accuracy"]["value"] == pytest.approx((1 + 0.5) / 2)
    assert hybrid["programs_alone"]["value"] == pytest.approx((0.5 + 0.5 + 0) / 3)
    assert hybrid["tokens"] == {"programs": 18, "texts": 12}
    assert metrics["programs"]["ran_and_incorrect"] == pytest.approx(1 / 6)
    assert "50.0% fell back to a text" in capsys.readouterr().out


def test_whether_a_program_falls_back_does_not_depend_on_the_reference(tmp_path: Path) -> None:
    _evaluate(tmp_path, TEXTS)
    problems = write_problem(tmp_path, "#### 1", "#### 2", "#### 3")
    samples, texts = str(tmp_path / "programs.jsonl"), str(tmp_path / "texts.jsonl")
    evaluate(problems, str(tmp_path / "other"), SETTINGS, samples=samples, fallback=texts)
    one, two = (
        [row.get("fell_back") for _, row in read_rows(tmp_path / name / "predictions.jsonl")]
        for name in ("out", "other")
    )
    assert one == two


def test_texts_are_needed_for_what_falls_back_and_for_nothing_else(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"2 problems without an answer.*first is 'q1'.*--fallback"):
        _evaluate(tmp_path)
    with pytest.raises(UserError, match=r"problem 'q2' has 1 text for 2 programs"):
        _evaluate(tmp_path, [[], TEXTS[1], TEXTS[2][:1]])
    assert _evaluate(tmp_path, [[], *TEXTS[1:]])["hybrid"]["fallback"] == 0.5


def test_a_fallback_beside_other_settings_is_refused(tmp_path: Path) -> None:
    problems = write_problem(tmp_path, "#### 1")
    samples = write_samples(tmp_path, "s.jsonl", ["#### 1"])
    out = str(tmp_path / "out")
    with pytest.raises(UserError, match="--fallback needs --samples and"):
        evaluate(problems, out, EvaluateSettings(), samples=samples, fallback=samples)
    with pytest.raises(UserError, match="--fallback needs --samples and"):
        evaluate(problems, out, SETTINGS, model="m", fallback=samples)


def test_a_model_is_asked_for_programs_and_then_for_the_texts_that_are_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rft_jax.sampling import run

    asked = []

    def sample(*arguments: Any, forcing: Any) -> None:
        assert forcing is None
        _, problems, output, _, settings, _ = arguments
        ids = [row["id"] for _, row in read_rows(problems)]
        asked.append((settings.template, settings.limit, ids, settings.num_samples))
        texts = TEXTS if output.endswith("samples-text") else PROGRAMS
        Path(output).mkdir()
        rows = [
            {"id": i, "sample": j, "model": "m", "response": text}
            for i in ids
            for j, text in enumerate(texts[int(i[1:])])
        ]
        write_rows(Path(output) / "samples-0.jsonl", rows)
        write_json(Path(output) / "settings.json", {"temperature": 0.7})
        write_json(Path(output) / "COMPLETE", {})

    monkeypatch.setattr(run, "sample", sample)
    problems = write_problem(tmp_path, "#### 18", "#### 7", "#### 5")
    settings = EvaluateSettings(answers="hybrid", num_samples=2, limit=3, template="alpaca")
    metrics = evaluate(problems, str(tmp_path / "out"), settings, model="a")
    assert asked == [
        ("alpaca+program", 3, ["q0", "q1", "q2"], 2),
        ("alpaca", 0, ["q1", "q2"], 2),
    ]
    assert metrics["hybrid"]["fallback"] == 0.5
    assert evaluate(problems, str(tmp_path / "out"), settings, model="a") == metrics
    assert len(asked) == 2


@needs_sandbox
def test_what_the_sandbox_executes_does_not_fall_back(tmp_path: Path) -> None:
    settings = replace(SETTINGS, programs="sandbox")
    programs = write_samples(tmp_path, "s.jsonl", ["class A:\n    x = 18\nprint(A.x)"])
    problems = write_problem(tmp_path, "#### 18")
    metrics = evaluate(problems, str(tmp_path / "out"), settings, samples=programs)
    assert (metrics["hybrid"]["fallback"], metrics["accuracy"]["value"]) == (0, 1)
    with pytest.raises(UserError, match="1 problem without an answer by a program"):
        evaluate(problems, str(tmp_path / "evaluated"), SETTINGS, samples=programs)
