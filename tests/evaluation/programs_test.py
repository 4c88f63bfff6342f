"""Samples that are programs: their metrics, and votes with texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rft_jax.errors import UserError
from rft_jax.evaluation.evaluate import evaluate
from rft_jax.evaluation.settings import EvaluateSettings
from rft_jax.files.jsonl import read_rows, write_rows

PROGRAMS = ["print(9 + 9)", "print(19)", "import sympy\nprint(18)", "print(x)", "x = 18"]


def write_problem(folder: Path, *answers: str) -> str:
    """A file of problems with these answers."""
    rows = [{"id": f"q{i}", "question": "?", "answer": one} for i, one in enumerate(answers)]
    write_rows(folder / "problems.jsonl", rows)
    return str(folder / "problems.jsonl")


def write_samples(folder: Path, name: str, *responses: list[str], **fields: Any) -> str:
    """A samples file with each problem's responses."""
    rows = [
        {"id": f"q{i}", "sample": j, "model": "m", "response": text} | fields
        for i, texts in enumerate(responses)
        for j, text in enumerate(texts)
    ]
    write_rows(folder / name, rows)
    return str(folder / name)


def test_programs_are_scored_by_what_they_print_and_their_ends_are_counted(
    tmp_path: Path, capsys: Any
) -> None:
    problems = write_problem(tmp_path, "#### 18")
    samples = write_samples(tmp_path, "s.jsonl", PROGRAMS)
    settings = EvaluateSettings(answers="program", bootstrap_resamples=10)
    metrics = evaluate(problems, str(tmp_path / "out"), settings, samples=samples)
    assert metrics["mean@1"]["value"] == 0.2  # what is unsupported counts as unsolved
    assert metrics["programs"] == {
        "samples": 5,
        "truncated": 0.0,
        "unsupported": 0.2,
        "program_error": 0.2,
        "no_output": 0.2,
        "ran_and_incorrect": 0.2,
    }
    assert "20.0% unsupported (counted as unsolved)" in capsys.readouterr().out
    ((_, row),) = read_rows(tmp_path / "out" / "predictions.jsonl")
    assert row["answers"] == ["18", "19", None, None, None]
    assert row["programs"][:3] == ["correct", "wrong_answer", "unsupported"]


def test_texts_have_no_metrics_of_programs(tmp_path: Path) -> None:
    problems = write_problem(tmp_path, "#### 18")
    samples = write_samples(tmp_path, "s.jsonl", ["#### 18"])
    metrics = evaluate(problems, str(tmp_path / "out"), EvaluateSettings(), samples=samples)
    assert "programs" not in metrics
    ((_, row),) = read_rows(tmp_path / "out" / "predictions.jsonl")
    assert "programs" not in row


def test_programs_and_texts_vote_together_by_value(tmp_path: Path) -> None:
    problems = write_problem(tmp_path, "#### 18")
    program = {"id": "q0", "model": "m", "form": "program"}
    text = {"id": "q0", "model": "m"}
    rows = [
        {**program, "sample": 0, "response": "print(36 / 2)"},
        {**text, "sample": 1, "response": "#### 18"},
        {**text, "sample": 2, "response": "#### 20"},
        {**program, "sample": 3, "response": "print(18.000000000000004)"},
    ]
    write_rows(tmp_path / "s.jsonl", rows)
    settings = EvaluateSettings(bootstrap_resamples=10)
    metrics = evaluate(problems, str(tmp_path / "out"), settings, samples=str(tmp_path / "s.jsonl"))
    assert metrics["maj@k"]["value"] == 1.0
    assert metrics["programs"]["samples"] == 2
    ((_, row),) = read_rows(tmp_path / "out" / "predictions.jsonl")
    assert row["votes"] == {"18.0": 3, "20": 1}
    assert row["programs"] == ["correct", None, None, "correct"]


def test_samples_of_several_folders_vote_together(tmp_path: Path) -> None:
    problems = write_problem(tmp_path, "#### 18", "#### 7")
    texts = write_samples(tmp_path, "texts.jsonl", ["#### 18", "#### 20"], ["#### 8", "#### 9"])
    printed = ["print(36 / 2)", "print(18)"], ["print(8)", "print(7)"]
    programs = write_samples(tmp_path, "programs.jsonl", *printed, form="program")
    settings = EvaluateSettings(bootstrap_resamples=10, curve=(1, 4))
    out = tmp_path / "out"
    metrics = evaluate(problems, str(out), settings, samples=[texts, programs])
    assert metrics["maj@k"]["value"] == 0.5  # 18 three times; 8 twice
    assert (metrics["k"], metrics["mean@1"]["value"]) == (4, (3 / 4 + 1 / 4) / 2)
    assert [row["answers"] for _, row in read_rows(out / "predictions.jsonl")] == [
        ["18", "20", "18.0", "18"],
        ["8", "9", "8", "7"],
    ]
    with pytest.raises(UserError, match="was made with samples"):
        evaluate(problems, str(out), settings, samples=[programs, texts])


def test_samples_of_several_folders_may_have_names_of_their_own_and_are_not_hybrid(
    tmp_path: Path,
) -> None:
    problems = write_problem(tmp_path, "#### 18")
    one = write_samples(tmp_path, "one.jsonl", ["#### 18"])
    other = write_samples(tmp_path, "other.jsonl", ["#### 18"], model="n")
    third = write_samples(tmp_path, "third.jsonl", ["#### 18"])
    settings = EvaluateSettings(bootstrap_resamples=10)
    metrics = evaluate(problems, str(tmp_path / "votes"), settings, samples=[one, other, third])
    assert (metrics["model"], metrics["k"]) == ("m + n", 3)
    hybrid = EvaluateSettings(answers="hybrid")
    with pytest.raises(UserError, match="'hybrid' takes one --samples, and there are 2"):
        evaluate(problems, str(tmp_path / "out"), hybrid, samples=[one, other])


def test_any_number_of_workers_gives_the_same_metrics(tmp_path: Path) -> None:
    problems = write_problem(tmp_path, *["#### 18"] * 600)
    samples = write_samples(tmp_path, "s.jsonl", *[["# " + "x" * 200, *PROGRAMS]] * 600)
    for workers in (1, 2):
        settings = EvaluateSettings(answers="program", bootstrap_resamples=10, workers=workers)
        evaluate(problems, str(tmp_path / str(workers)), settings, samples=samples)
    one, two = (tmp_path / str(workers) for workers in (1, 2))
    for name in ("metrics.json", "predictions.jsonl", "settings.json"):
        assert (one / name).read_bytes() == (two / name).read_bytes()
    # Another number of workers is not another evaluation.
    settings = EvaluateSettings(answers="program", bootstrap_resamples=10, workers=3)
    evaluate(problems, str(one), settings, samples=samples)


def test_a_problem_without_an_answer_is_one_error_in_whichever_process(tmp_path: Path) -> None:
    problems = write_problem(tmp_path, "#### 18", "#### ")
    samples = write_samples(tmp_path, "s.jsonl", ["print(18)"], ["print(18)"])
    for workers in (1, 2):
        settings = EvaluateSettings(answers="program", workers=workers)
        with pytest.raises(UserError, match=r"^problem 'q1' .* has no answer"):
            evaluate(problems, str(tmp_path / str(workers)), settings, samples=samples)
