"""A finished stage's result in a few words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rft_jax.files.jsonl import write_rows
from rft_jax.pipeline.outcome.stage_result import stage_result
from rft_jax.pipeline.stages import Stage

SHARE = {"value": 0.536, "ci95": [0.492, 0.579], "n": 500}
FILES: dict[str, tuple[str, Any, str]] = {
    "train": (
        "metrics.jsonl",
        [{"step": i + 1, "loss": 2.0 if i < 18 else float(i - 17)} for i in range(20)],
        "loss 1.5 after 20 steps",  # the mean of the last tenth
    ),
    "policy": (
        "metrics.jsonl",
        [{"step": 1, "reward": 0.25}, {"step": 2, "reward": 0.5}],
        "reward 0.25 → 0.5 in 2 steps",
    ),
    "collect": (
        "stats.json",
        {"problems": 200, "solved": 180, "paths": {"sampled": 1466}},
        "kept 1,466 paths, 180 of 200 problems solved",
    ),
    "evaluate": (
        "metrics.json",
        {"k": 1, "accuracy": SHARE},
        "accuracy 53.6 % (49.2 to 57.9)",
    ),
}


def _stage(root: Path, command: str, file: str, content: Any) -> Stage:
    stage = Stage(command, "sft", 0, {})
    (root / stage.folder).mkdir(parents=True)
    if isinstance(content, list):
        write_rows(root / stage.folder / file, content)
    else:
        (root / stage.folder / file).write_text(json.dumps(content))
    return stage


@pytest.mark.parametrize("command", FILES)
def test_a_stages_result_is_read_from_its_files(tmp_path: Path, command: str) -> None:
    file, content, text = FILES[command]
    assert stage_result(tmp_path, _stage(tmp_path, command, file, content)) == text


def test_votes_have_both_metrics_with_k(tmp_path: Path) -> None:
    metrics = {"k": 16, "mean@1": SHARE, "maj@k": SHARE, "pass@k": SHARE}
    assert stage_result(tmp_path, _stage(tmp_path, "evaluate", "metrics.json", metrics)) == (
        "maj@16 53.6 % (49.2 to 57.9)  pass@16 53.6 % (49.2 to 57.9)"
    )


def test_a_stage_without_a_result_or_with_other_files_has_none(tmp_path: Path) -> None:
    assert stage_result(tmp_path, Stage("derive", "sft", 0, {})) == ""
    assert stage_result(tmp_path, Stage("evaluate", "sft", 0, {})) == ""
    assert stage_result(tmp_path, _stage(tmp_path, "collect", "stats.json", {"problems": 1})) == ""
