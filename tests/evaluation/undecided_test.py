"""Samples whose comparison took too long: counted apart, and in no mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from rft_jax.errors import UserError
from rft_jax.evaluation.against import read_scores
from rft_jax.evaluation.compare import compare
from rft_jax.evaluation.evaluate import evaluate
from rft_jax.evaluation.settings import EvaluateSettings
from rft_jax.files.jsonl import read_json, write_rows
from rft_jax.verify.comparison import AnswerComparer


def _undecided(folder: Path, monkeypatch: pytest.MonkeyPatch, answers: list[list[str]]) -> str:
    """An evaluation in which comparing `y` with a reference takes too long."""

    def equal(_: object, reference: str, answer: str) -> bool:
        if answer == "y":
            raise TimeoutError
        return reference == answer

    monkeypatch.setattr(AnswerComparer, "equal", equal)
    problems = [{"id": f"q{i}", "question": "?", "answer": r"\boxed{x}"} for i in range(3)]
    write_rows(folder / "problems.jsonl", problems)
    rows = [
        {"id": f"q{i}", "sample": j, "model": "m", "response": rf"\boxed{{{answer}}}"}
        for i, row in enumerate(answers)
        for j, answer in enumerate(row)
    ]
    write_rows(folder / "samples.jsonl", rows)
    settings = EvaluateSettings(answers="boxed", bootstrap_resamples=50)
    output = str(folder / "out")
    samples = str(folder / "samples.jsonl")
    evaluate(str(folder / "problems.jsonl"), output, settings, samples=samples)
    return output


def test_undecided_samples_are_counted_apart_and_are_in_no_mean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output = _undecided(tmp_path, monkeypatch, [["x", "y"], ["z", "z"], ["y", "y"]])
    metrics = read_json(Path(output) / "metrics.json")
    assert metrics["undecided"] == {"samples": 3, "problems": 1}
    assert metrics["timeout"] == 0.5
    assert metrics["n"] == 3
    for name in ("mean@1", "maj@k", "pass@k"):
        assert (metrics[name]["value"], metrics[name]["n"]) == (0.5, 2)
    assert sum(row["n"] for row in metrics["by_words"]) == 2
    assert (
        "3 samples undecided, 1 problem without any other: not counted" in capsys.readouterr().out
    )


def test_a_comparison_leaves_out_what_either_evaluation_could_not_decide(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _undecided(tmp_path / "a", monkeypatch, [["x"], ["z"], ["y"]])
    second = _undecided(tmp_path / "b", monkeypatch, [["z"], ["z"], ["x"]])
    result = compare({0: read_scores(Path(first))}, {0: read_scores(Path(second))})
    assert (result["n"], result["undecided"], result["difference"]) == (2, 1, 0.5)
    third = _undecided(tmp_path / "c", monkeypatch, [["y"], ["y"], ["y"]])
    with pytest.raises(UserError, match="no question is decided in all runs"):
        compare({0: read_scores(Path(first))}, {0: read_scores(Path(third))})
