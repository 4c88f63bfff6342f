from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rft_jax.errors import UserError
from rft_jax.files.jsonl import write_json, write_rows
from rft_jax.report.runs import read_run

METRIC = {"value": 0.5, "ci95": [0.4, 0.6], "n": 100}


def test_a_run_is_read_with_its_stages_and_results(make_run: Callable[..., Path]) -> None:
    run = read_run(str(make_run("mine")))
    assert run.name == "mine"
    assert {row["model"] for row in run.rows} == {"rho", "sft", "sft_steps", "rft_no_dedup", "rft"}
    assert [stage.arm for stage in run.of("collect")] == ["rft"]
    assert run.arm_name(next(run.of("collect")).arm) == "RFT"
    assert run.versions["jax"] == "0.10.2"
    assert len(run.notes) == 1


def test_a_folder_of_named_runs_names_them(make_run: Callable[..., Path]) -> None:
    folder = make_run("one").parent
    make_run("two")
    write_json(folder / "samples/run.json", {"geometry": {}})
    with pytest.raises(UserError, match=r"report \S+/one \S+/two$"):
        read_run(str(folder))


def test_a_folder_that_two_arms_share_is_read_once(tmp_path: Path) -> None:
    write_rows(tmp_path / "s/samples-00000-of-00001.jsonl", [])
    stage = {"folder": "s", "command": "sample"}
    missing = {"folder": "gone", "command": "sample"}
    write_json(tmp_path / "run.json", {"stages": {"a": stage, "b": stage, "c": missing}})
    assert [stage.name for stage in read_run(str(tmp_path)).of("sample")] == ["a"]


@pytest.mark.parametrize(
    ("file", "command"),
    [
        ("metrics.jsonl", "train"),
        ("ledger.jsonl", "collect"),
        ("samples-00000-of-00001.jsonl.gz", "sample"),
    ],
)
def test_a_single_stage_is_known_by_its_files(tmp_path: Path, file: str, command: str) -> None:
    write_rows(tmp_path / file, [])
    write_json(tmp_path / "run.json", {"settings": {}})
    assert [stage.command for stage in read_run(str(tmp_path)).stages] == [command]


def test_an_evaluation_alone_has_a_row_of_results(tmp_path: Path) -> None:
    metrics = {"n": 100, "k": 1, "accuracy": METRIC, "maj@k": METRIC, "pass@k": METRIC}
    write_json(tmp_path / "eval/metrics.json", metrics)
    assert read_run(str(tmp_path / "eval")).rows == ({"model": "eval", "accuracy": METRIC},)
    write_json(tmp_path / "eval/metrics.json", {"k": 4, "mean@1": METRIC, "maj@k": METRIC})
    (row,) = read_run(str(tmp_path / "eval")).rows
    assert row == {"model": "eval", "mean@1": METRIC, "maj@k": METRIC, "k": 4}
    write_json(tmp_path / "eval/metrics.json", {"k": 1, "accuracy": METRIC, "truncated": 0.1})
    (row,) = read_run(str(tmp_path / "eval")).rows
    assert row == {"model": "eval", "accuracy": METRIC, "truncated": 0.1}


def test_an_unfinished_run_has_the_rows_of_its_finished_evaluations(tmp_path: Path) -> None:
    stages = {}
    for name, seed in (("greedy", 0), ("vote", 0), ("waiting", 1)):
        stages[name] = {"folder": name, "command": "evaluate", "arm": "sft", "seed": seed}
    metrics = {"k": 1, "accuracy": METRIC, "maj@k": METRIC, "pass@k": METRIC, "no_answer": 0.25}
    write_json(tmp_path / "greedy/metrics.json", metrics)
    metrics = {"k": 8, "mean@1": METRIC, "maj@k": METRIC, "pass@k": METRIC, "no_answer": 0.5}
    write_json(tmp_path / "vote/metrics.json", metrics)
    write_json(tmp_path / "run.json", {"stages": stages})
    (row,) = read_run(str(tmp_path)).rows
    assert row == {
        "model": "sft",
        "seed": 0,
        "accuracy": METRIC,
        "no_answer": 0.25,
        "maj@k": METRIC,
        "pass@k": METRIC,
        "k": 8,
    }
    write_json(tmp_path / "results.json", {"rows": [{"model": "rft"}]})
    assert read_run(str(tmp_path)).rows == ({"model": "rft"},)


def test_what_cannot_be_reported_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        read_run(str(tmp_path / "none"))
    with pytest.raises(UserError, match="nothing to report"):
        read_run(str(tmp_path))
    write_json(tmp_path / "run.json", {"stages": {"a": {"folder": "x"}}})
    with pytest.raises(UserError, match="stage 'a' needs 'folder' and 'command'"):
        read_run(str(tmp_path))


def test_comparisons_of_an_earlier_version_are_about_their_trainings_too(tmp_path: Path) -> None:
    row = {"a": "rft", "b": "sft", "difference": 0.139, "ci95": [0.12, 0.15], "p_value": 1e-9}
    alone = row | {"b": "rho", "by_seed": [0.139]}
    several = row | {"by_seed": [0.149, 0.119, 0.149]}
    write_json(tmp_path / "results.json", {"rows": [], "comparisons": [several, alone]})
    first, second = read_run(str(tmp_path)).comparisons
    assert first["method"]["ci95_t"] == pytest.approx([0.096, 0.182], abs=5e-4)
    assert first["p_holm"] == first["method"]["p_value"] == pytest.approx(0.0051, abs=1e-4)
    assert "method" not in second and second["p_holm"] == 2e-9
