"""`rft run` as a user types it: the whole loop on a few problems, interrupted and not."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.tiny_model import write_tiny_model

RECIPE = (
    "--gin.train.num_epochs=2",
    "--gin.train.batch_size=2",
    "--gin.train.save_every_steps=2",
    "--gin.sample.num_samples=4",
    "--gin.sample.max_new_tokens=32",
    "--gin.sample.max_prompt_length=64",
    "--gin.evaluate.max_new_tokens=32",
    "--gin.evaluate.bootstrap_resamples=200",
)


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="module")
def environment(tmp_path_factory) -> dict[str, str]:
    """As outside of tests: one device. Compiled programs are shared by this module's runs."""
    cache = str(tmp_path_factory.mktemp("cache"))
    return dict(os.environ) | {"XLA_FLAGS": "", "XDG_CACHE_HOME": cache}


def _rft(output: Path, environment: dict[str, str], *flags: str) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "rft_jax.cli", "run", "--output", str(output), *flags]
    return subprocess.Popen(
        words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def _finish(output: Path, environment: dict[str, str], *flags: str) -> str:
    process = _rft(output, environment, *flags)
    said, _ = process.communicate(timeout=3000)
    assert process.returncode == 0, said
    return said


def _content(root: Path) -> dict[str, bytes]:
    """Everything that a run computed, by file: no clocks, no logs, no train state."""
    left_out = {"timing.json", ".lock"}
    files = [p for p in (root / "stages").rglob("*") if p.is_file() and p.suffix != ".log"]
    files = [p for p in files if not {"checkpoints", "tensorboard"} & set(p.parts)]
    found = [p for p in [*files, root / "results.json"] if p.name not in left_out]
    return {str(p.relative_to(root)): p.read_bytes() for p in found}


@pytest.mark.each_change
def test_the_loop_runs_and_the_second_time_finds_everything_done(tmp_path, tiny_model, environment):
    flags = [f"--gin.run.model={tiny_model}", "--gin.run.limit=6", "--gin.run.parallel=2"]
    flags += ["--gin.run.arms=['sft', 'rft']", *RECIPE]
    root = tmp_path / "run"
    said = _finish(root, environment, *flags)
    results = json.loads((root / "results.json").read_text())
    assert [row["model"] for row in results["rows"]] == ["sft", "rft"]
    assert results["rows"][0]["train_rows"] == 6
    assert all(row["accuracy"]["n"] == 6 for row in results["rows"])
    assert [(c["a"], c["b"]) for c in results["comparisons"]] == [("rft", "sft")]
    page = (root / "report" / "index.html").read_text()
    assert "<html" in page
    assert "sft-0 train" in said
    assert "train.batch_size = 2\n" in (root / "config.gin").read_text()
    described = json.loads((root / "run.json").read_text())
    assert {stage["command"] for stage in described["stages"].values()} == {
        "train",
        "sample",
        "collect",
        "evaluate",
    }
    before = _content(root)
    again = _finish(root, environment, *flags)
    assert "6 of 6 stages were finished by an earlier run" in again
    assert _content(root) == before


@pytest.mark.slow
def test_a_run_killed_again_and_again_ends_with_the_same_files(tmp_path, environment):
    flags = ["--gin.run.limit=12", *RECIPE, "--gin.sample.max_new_tokens=96"]
    flags += ["--gin.sample.max_prompt_length=96", "--gin.evaluate.max_new_tokens=96"]
    _finish(tmp_path / "whole", environment, *flags)
    chance = random.Random(0)
    kills = 0
    while kills < 12:
        process = _rft(tmp_path / "killed", environment, *flags)
        try:
            process.communicate(timeout=chance.uniform(2.0, 15.0))
            break
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            kills += 1
    _finish(tmp_path / "killed", environment, *flags)
    assert kills >= 3
    assert _content(tmp_path / "killed") == _content(tmp_path / "whole")


@pytest.mark.slow
def test_a_run_stopped_by_sigterm_says_so_and_resumes(tmp_path, tiny_model, environment):
    flags = [f"--gin.run.model={tiny_model}", "--gin.run.limit=6", *RECIPE]
    flags += ["--gin.run.arms=['sft', 'rft']"]
    process = _rft(tmp_path / "run", environment, *flags)
    time.sleep(8.0)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 75
    assert said.endswith("run the same command again to resume\n")
    _finish(tmp_path / "run", environment, *flags)
    assert (tmp_path / "run" / "results.json").exists()


@pytest.mark.slow
def test_an_experiment_with_pretraining_and_few_shot_prompts_runs_to_its_plot(
    tmp_path, environment
):
    flags = ["--gin_file", "experiments/pretraining_loss.gin", *RECIPE, "--gin.run.limit=6"]
    flags += ["--gin.pretraining_loss.widths=(32,)", "--gin.pretraining_loss.steps=(4, 8, 12)"]
    flags += ["--gin.pretraining_loss.tokens=30000", "--gin.pretraining_loss.k=4"]
    _finish(tmp_path / "run", environment, *flags)
    home = tmp_path / "run" / "pretraining_loss"
    results = json.loads((home / "results.json").read_text())
    assert len(results["rows"]) == 9
    (plot,) = results["figures"]
    for line in plot["series"]:
        losses = [point["x"] for point in line["points"]]
        assert len(losses) == 3 and all(1 < loss < 6 for loss in losses)
        assert line["fit"]["n"] == 3
    rows = {row["model"]: row for row in results["rows"]}
    assert rows["icl_w32_12"]["train_rows"] == 0
    assert rows["icl_w32_12"]["pretraining_loss"] < rows["icl_w32_4"]["pretraining_loss"]
    (prompts,) = (tmp_path / "run" / "stages").glob("icl-0-derive-few_shot-*/problems.jsonl")
    assert prompts.read_text().count("####") == 12  # a worked example and a reference each
    costs = json.loads((home / "costs.json").read_text())["stages"]
    assert all(row["flops"] > 0 for row in costs if row["command"] in ("train", "evaluate"))
    assert (
        "The paper: accuracy against pretraining loss" in (home / "report/index.html").read_text()
    )


@pytest.mark.slow
@pytest.mark.skipif(
    not (os.environ.get("SMOLLM2_DIR") and os.environ.get("GSM8K_DIR")),
    reason="needs SMOLLM2_DIR and GSM8K_DIR",
)
def test_a_real_model_goes_through_the_loop_on_gsm8k(tmp_path, environment):
    flags = ["--gin_file", "experiments/gsm8k_smollm2_135m.gin", "--gin.run.limit=8"]
    flags += [f"--gin.run.model={os.environ['SMOLLM2_DIR']}", "--gin.K=2", "--gin.DTYPE=float32"]
    flags += ["--gin.train.num_steps=2", "--gin.train.batch_size=1", "--gin.SLOTS=8"]
    flags += ["--gin.sample.max_new_tokens=96", "--gin.evaluate.max_new_tokens=96"]
    _finish(tmp_path / "run", environment, *flags)
    rows = json.loads((tmp_path / "run" / "results.json").read_text())["rows"]
    assert [row["model"] for row in rows] == ["rho", "sft", "sft_steps", "rft", "rft_no_dedup"]
    assert all(row["accuracy"]["n"] == 8 for row in rows)
    assert {row["model"]: row["k"] for row in rows if row["k"]} == {"sft": 2, "rft": 2}
    (steps,) = (tmp_path / "run" / "stages").glob("sft_steps-0-train-*/metrics.jsonl")
    assert steps.read_text().count("\n") == 2
