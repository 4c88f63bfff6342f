"""Finished stages of a run, written by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rft_jax.files.jsonl import write_json, write_rows
from rft_jax.pipeline.measures import Measured
from rft_jax.pipeline.stages import Argument, Given, OutputOf, Stage


def evaluation(root: Path, arm: str, seed: int, correct: list[bool], model: Argument) -> Stage:
    """An evaluation in which these questions were answered correctly."""
    stage = Stage("evaluate", arm, seed, {"--model": model, "--arm": Given(f"{arm}-{seed}")})
    share = sum(correct) / len(correct)
    accuracy = {"value": share, "ci95": [0.0, 1.0], "n": len(correct)}
    write_json(root / stage.folder / "metrics.json", {"n": len(correct), "accuracy": accuracy})
    rows = [{"id": f"q{i}", "correct": [c], "steps": 1} for i, c in enumerate(correct)]
    write_rows(root / stage.folder / "predictions.jsonl", rows)
    return stage


def training(root: Path, arm: str, data: Argument, examples: int, dropped: int = 0) -> OutputOf:
    """A training on some data, as a model."""
    stage = Stage("train", arm, 0, {"--data": data})
    write_json(root / stage.folder / "data.json", {"examples": examples, "dropped": dropped})
    return OutputOf(stage)


def collection(root: Path, rows: list[dict[str, Any]]) -> OutputOf:
    """Collected paths, as training data."""
    stage = Stage("collect", "rft", 0, {"--rows": Given(json.dumps(rows))})
    write_rows(root / stage.folder / "paths.jsonl", rows)
    return OutputOf(stage, "paths.jsonl")


def measured(root: Path, arm: str, seed: int, correct: list[bool], **more: Any) -> Measured:
    """A row of the results for the pretrained model, however it is called."""
    greedy = evaluation(root, arm, seed, correct, Given("model"))
    return Measured(arm, seed, arm.upper(), greedy, **more)
