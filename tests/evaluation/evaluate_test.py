"""`rft evaluate`: metrics of samples, comparisons, and what is done once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rft_jax.errors import UserError
from rft_jax.evaluation.evaluate import evaluate
from rft_jax.evaluation.intervals import mean_with_ci, wilson_interval
from rft_jax.evaluation.settings import EvaluateSettings
from rft_jax.files.jsonl import read_json, read_rows, write_rows
from tests.docs_pages import ROOT
from tests.evaluation.inputs import SETTINGS, write_problems, write_samples


def test_one_answer_a_problem_gives_accuracy_with_wilsons_interval(tmp_path: Path) -> None:
    problems = write_problems(tmp_path, [1, 2, 3, 4])
    samples = write_samples(tmp_path / "s", [[1], [2], [9], [None]])
    metrics = evaluate(problems, str(tmp_path / "out"), SETTINGS, samples=samples)
    assert metrics == read_json(tmp_path / "out/metrics.json")
    assert metrics["accuracy"] == {"value": 0.5, "ci95": list(wilson_interval(2, 4)), "n": 4}
    assert (metrics["n"], metrics["k"], metrics["model"]) == (4, 1, "m")
    assert "mean@1" not in metrics
    assert (metrics["no_answer"], metrics["truncated"]) == (0.25, 0.25)


def test_one_sampled_answer_has_mean_1_and_not_accuracy_also_if_its_file_is_named(
    tmp_path: Path,
) -> None:
    problems = write_problems(tmp_path, [1, 2])
    folder = write_samples(tmp_path / "s", [[1], [1]], temperature=0.7)
    file = f"{folder}/samples-00000-of-00001.jsonl"
    metrics = evaluate(problems, str(tmp_path / "out"), SETTINGS, samples=file)
    assert metrics["mean@1"]["value"] == 0.5
    assert "accuracy" not in metrics


@pytest.mark.parametrize("key", ["id", "question"])
def test_samples_of_other_problems_are_left_out_and_counted(
    key: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    problems = write_problems(tmp_path, [1, 2])
    names = {"id": ["q0", "q1", "q2"], "question": ["0?", "1?", "2?"]}[key]
    rows = [{key: name, "model": "m", "sample": 0, "response": "#### 1"} for name in names]
    write_rows(tmp_path / "all.jsonl", rows)
    write_rows(tmp_path / "two.jsonl", rows[:2])
    for file, count in (("two", 0), ("all", 1)):
        path = str(tmp_path / f"{file}.jsonl")
        metrics = evaluate(problems, str(tmp_path / file), SETTINGS, samples=path)
        assert (metrics["n"], metrics["accuracy"]["value"]) == (2, 0.5)
        message = "left out: 1 sample of other problems than these"
        assert [one.getMessage() for one in caplog.records] == [message] * count


def test_several_samples_give_mean_majority_and_pass(tmp_path: Path) -> None:
    problems = write_problems(tmp_path, [1, 2])
    samples = write_samples(tmp_path / "s", [[1, 1, 5], [7, 7, 2]], temperature=0.7)
    metrics = evaluate(problems, str(tmp_path / "out"), SETTINGS, samples=samples)
    assert metrics["mean@1"]["value"] == pytest.approx(0.5)
    assert metrics["mean@1"]["ci95"] == mean_with_ci([2 / 3, 1 / 3])["ci95"]
    assert metrics["maj@k"]["value"] == 0.5
    assert metrics["pass@k"]["value"] == 1.0
    assert metrics["k"] == 3
    assert "accuracy" not in metrics


def test_k_and_the_curve_average_over_subsets(tmp_path: Path) -> None:
    problems = write_problems(tmp_path, [1])
    samples = write_samples(tmp_path / "s", [[1, 5, 1, 6]], temperature=1.0)
    settings = EvaluateSettings(k=2, curve=(1, 4), bootstrap_resamples=50)
    metrics = evaluate(problems, str(tmp_path / "out"), settings, samples=samples)
    assert metrics["k"] == 2
    assert metrics["pass@k"]["value"] == pytest.approx(5 / 6)
    # Of six pairs: {1,1} wins, four of 1 and another share, {5,6} loses.
    assert metrics["maj@k"]["value"] == pytest.approx((1 + 4 / 2) / 6)
    assert [at["k"] for at in metrics["curve"]] == [1, 4]
    assert [at["maj@k"]["value"] for at in metrics["curve"]] == [0.5, 1.0]
    page = (ROOT / "docs" / "evaluating.md").read_text("utf-8")
    assert [name for name in metrics if f"`{name}`" not in page] == []


def test_accuracy_is_split_by_steps_and_by_length(tmp_path: Path) -> None:
    problems = write_problems(tmp_path, [1, 2, 3, 4])
    samples = write_samples(tmp_path / "s", [[1], [9], [3], [4]])
    metrics = evaluate(problems, str(tmp_path / "out"), SETTINGS, samples=samples)
    assert [(row["steps"], row["value"], row["n"]) for row in metrics["by_steps"]] == [
        (1, 1.0, 2),
        (2, 0.5, 2),
    ]
    assert sum(row["n"] for row in metrics["by_words"]) == 4
    assert [(row["from"], row["to"]) for row in metrics["by_words"]] == [(1, 1), (2, 2)]


def test_sample_order_in_the_file_does_not_matter(tmp_path: Path) -> None:
    problems = write_problems(tmp_path, [1, 2])
    samples = Path(write_samples(tmp_path / "s", [[1, 5], [7, 2]]))
    evaluate(problems, str(tmp_path / "a"), SETTINGS, samples=str(samples))
    rows = [row for _, row in read_rows(samples / "samples-00000-of-00001.jsonl")]
    write_rows(tmp_path / "t/samples-00000-of-00002.jsonl", rows[::-2])
    write_rows(tmp_path / "t/samples-00001-of-00002.jsonl.gz", rows[-2::-2])
    evaluate(problems, str(tmp_path / "b"), SETTINGS, samples=str(tmp_path / "t"))
    for name in ("metrics.json", "predictions.jsonl"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_second_evaluation_is_compared_question_by_question(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    problems = write_problems(tmp_path, [1, 2, 3, 4])
    first, second = (
        write_samples(tmp_path / n, a)
        for n, a in (("s", [[1], [9], [9], [9]]), ("t", [[9], [2], [3], [4]]))
    )
    evaluate(problems, str(tmp_path / "a"), SETTINGS, samples=first)
    evaluate(problems, str(tmp_path / "b"), SETTINGS, samples=second, against=str(tmp_path / "a"))
    comparison = read_json(tmp_path / "b/comparison.json")
    assert comparison["difference"] == 0.5
    assert (comparison["only_a"], comparison["only_b"]) == (3, 1)
    assert comparison["p_value"] == pytest.approx(2 * 5 / 16)
    assert comparison["test"] == "mcnemar_exact"
    assert "maj@k" not in comparison
    assert "+50.0 percentage points" in capsys.readouterr().out


def test_majorities_are_compared_where_both_voted(tmp_path: Path) -> None:
    problems = write_problems(tmp_path, [1, 2])
    evaluate(
        problems,
        str(tmp_path / "a"),
        SETTINGS,
        samples=write_samples(tmp_path / "s", [[1, 9, 8], [2, 2, 3]], temperature=1.0),
    )
    evaluate(
        problems,
        str(tmp_path / "b"),
        SETTINGS,
        against=str(tmp_path / "a"),
        samples=write_samples(tmp_path / "t", [[1, 1, 8], [2, 2, 3]], temperature=1.0),
    )
    majority = read_json(tmp_path / "b/comparison.json")["maj@k"]
    assert majority["difference"] == pytest.approx((1 - 1 / 3) / 2)


def test_a_finished_evaluation_is_not_done_again_but_can_be_compared(tmp_path: Path) -> None:
    problems = write_problems(tmp_path, [1])
    samples = write_samples(tmp_path / "s", [[1]])
    evaluate(problems, str(tmp_path / "a"), SETTINGS, samples=samples)
    before = (tmp_path / "a/predictions.jsonl").stat().st_mtime_ns
    evaluate(problems, str(tmp_path / "a"), SETTINGS, samples=samples, against=str(tmp_path / "a"))
    assert (tmp_path / "a/predictions.jsonl").stat().st_mtime_ns == before
    assert read_json(tmp_path / "a/comparison.json")["p_value"] == 1.0


def test_samples_that_changed_are_seen_and_samples_that_moved_are_the_same(tmp_path: Path) -> None:
    problems = write_problems(tmp_path, [1])
    samples = Path(write_samples(tmp_path / "s", [[1]]))
    evaluate(problems, str(tmp_path / "a"), SETTINGS, samples=str(samples))
    (tmp_path / "deeper").mkdir()
    moved = samples.rename(tmp_path / "deeper/s")
    evaluate(problems, str(tmp_path / "a"), SETTINGS, samples=str(moved))
    write_samples(moved, [[2]])
    with pytest.raises(UserError, match="was made with samples"):
        evaluate(problems, str(tmp_path / "a"), SETTINGS, samples=str(moved))


def test_the_model_is_sampled_with_these_settings_and_then_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rft_jax.sampling import run

    received = {}

    def sample(
        model: str, problems: str, output: str, name: Any, settings: Any, mesh: Any, forcing: Any
    ) -> None:
        assert forcing is None
        received.update(model=model, problems=problems, name=name, settings=settings, mesh=mesh)
        write_samples(Path(output), [[1], [3]], temperature=0.0)

    monkeypatch.setattr(run, "sample", sample)
    problems = write_problems(tmp_path, [1, 2, 3])
    settings = EvaluateSettings(limit=2, seed=4, top_k=5, template="plain")
    metrics = evaluate(problems, str(tmp_path / "out"), settings, model="models/a", mesh="a mesh")
    assert metrics["accuracy"]["value"] == 0.5
    assert (received["model"], received["problems"], received["mesh"]) == (
        "models/a",
        problems,
        "a mesh",
    )
    sampling = received["settings"]
    assert (sampling.num_samples, sampling.temperature, sampling.limit, sampling.seed) == (
        1,
        0.0,
        2,
        4,
    )
    assert (sampling.top_k, sampling.template, sampling.over_long) == (5, "plain", "cut")


def test_predictions_are_json_with_an_id_each(tmp_path: Path) -> None:
    problems = write_problems(tmp_path, [1, 2])
    samples = write_samples(tmp_path / "s", [[1], [2]])
    evaluate(problems, str(tmp_path / "out"), SETTINGS, samples=samples)
    lines = (tmp_path / "out/predictions.jsonl").read_text().splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["q0", "q1"]
