"""Settings, versions and stages of runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rft_jax.files.jsonl import write_json
from rft_jax.report.about import about_section
from rft_jax.report.runs import RunRecord, StageRecord


def _run(name: str = "run", stages: tuple[StageRecord, ...] = (), **more: Any) -> RunRecord:
    return RunRecord(name, Path(name), stages, **more)


def test_nested_settings_are_listed_by_their_full_names():
    run = _run(settings={"seeds": [0, 1], "train": {"optimizer": {"b1": 0.9}, "pack": True}})
    body = about_section([run]).body
    assert "<td>train.optimizer.b1</td><td>0.9</td>" in body
    assert "<td>seeds</td><td>[0, 1]</td>" in body
    assert "run: settings" not in body


def test_several_runs_are_named():
    runs = [_run("a", settings={"x": 1}), _run("b", versions={"jax": "0.10.2"})]
    body = about_section(runs).body
    assert "a: settings" in body and "b: versions" in body and "a: versions" not in body


def test_stages_have_their_duration_and_settings(tmp_path: Path):
    write_json(tmp_path / "settings.json", {"learning_rate": 0.001})
    stages = (
        StageRecord("sft-0 train", tmp_path, "train", "sft", 0),
        StageRecord("sft-0 sample", tmp_path / "none", "sample", "sft", 0),
    )
    body = about_section([_run(stages=stages, seconds={"sft-0 train": 1234.4})]).body
    assert "sft-0 train (train, 1,234 s)" in body and "sft-0 sample (sample)" in body
    assert "&quot;learning_rate&quot;: 0.001" in body
