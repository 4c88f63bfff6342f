"""The report shows the curves of policy training, and samples with their verdicts over time."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from rft_jax.files.jsonl import write_json, write_rows
from rft_jax.report.policy import policy_section
from rft_jax.report.report import ReportSettings, read_runs, report
from rft_jax.report.runs import RunRecord, StageRecord


def write_policy(folder: Path, is_finished: bool = True) -> Path:
    """What three steps of policy training leave."""
    rows = [
        {"step": step, "reward": 0.25 * step, "accuracy": 0.25 * step, "entropy": 1.0, "loss": 0.0}
        for step in (1, 2, 3)
    ]
    rows[0]["held_out_accuracy"] = 0.5
    rows[1]["capped_share"] = 0.1
    write_rows(folder / "metrics.jsonl", rows)
    for step in range(3):
        sample = {"id": "p", "sample": step, "model": "m", "response": f"<b>answer {step}</b>"}
        write_rows(folder / "samples" / f"samples-{step:05d}-of-00003.jsonl", [sample])
    ledger = [
        {"id": "p", "sample": step, "model": "m", "verdict": "correct", "reward": step / 2}
        for step in range(3)
    ]
    if is_finished:
        write_rows(folder / "ledger.jsonl", ledger)
    write_json(folder / "settings.json", {"command": "policy"})
    return folder


def test_there_is_a_chart_for_every_metric_that_was_measured(tmp_path: Path) -> None:
    body = policy_section(read_runs([str(write_policy(tmp_path / "grpo"))])).body
    for title in (
        "Reward",
        "Accuracy of the samples",
        "Held-out accuracy",
        "Entropy",
        "Capped share",
    ):
        assert f"<h3>{title}</h3>" in body
    assert "Clip share" not in body
    assert body.count("<svg") == 5


def test_samples_are_shown_over_time_with_verdict_and_reward_and_escaped(tmp_path: Path) -> None:
    body = policy_section(read_runs([str(write_policy(tmp_path / "grpo"))])).body
    for step in range(3):
        assert f"step {step + 1}: correct, reward {step / 2}" in body
        assert f"&lt;b&gt;answer {step}&lt;/b&gt;" in body
    assert "<b>answer" not in body


def test_a_run_that_is_not_finished_is_reported_from_what_there_is(tmp_path: Path) -> None:
    folder = write_policy(tmp_path / "grpo", is_finished=False)
    (folder / "metrics.jsonl").unlink()
    body = policy_section(read_runs([str(folder)])).body
    assert "answer 2" in body and "<svg" not in body


def test_two_trainings_are_compared_in_the_page(tmp_path: Path) -> None:
    folders = [str(write_policy(tmp_path / name)) for name in ("grpo", "dapo")]
    report(folders, str(tmp_path / "report"), ReportSettings())
    page = (tmp_path / "report" / "index.html").read_text("utf-8")
    assert '<section id="policy"><h2>Policy training</h2>' in page
    assert "grpo" in page and "dapo" in page


def test_seeds_have_the_colour_of_their_condition_and_none_is_left_out(tmp_path: Path) -> None:
    stages = tuple(
        StageRecord(f"{arm}-{seed}", write_policy(tmp_path / f"{arm}-{seed}"), "policy", arm, seed)
        for arm in ("grpo", "raft")
        for seed in range(6)
    )
    run = RunRecord("run", tmp_path, stages, labels={"grpo": "GRPO", "raft": "RAFT"})
    body = policy_section([run]).body
    chart = body[body.index("<h3>Reward</h3>") : body.index("<h3>Accuracy of the samples</h3>")]
    lines = re.findall(r'<g class="c(\d+)"><polyline', chart)
    assert sorted(lines) == ["0"] * 6 + ["1"] * 6
    assert re.findall(r'class="key c(\d+)">([^<]*)', chart) == [("0", "GRPO"), ("1", "RAFT")]
    assert "<h3>RAFT, seed 5</h3>" in body
    again = policy_section([run, replace(run, name="other")]).body
    assert "GRPO – run</span>" in again and "GRPO – other</span>" in again


def test_runs_without_policy_training_have_no_such_section(tmp_path: Path) -> None:
    write_rows(tmp_path / "train" / "metrics.jsonl", [{"step": 1, "loss": 1.0}])
    assert policy_section(read_runs([str(tmp_path / "train")])).body == ""
