"""Runs on the embedded data as two processes of four devices, and as one of eight."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rft_jax.files.jsonl import read_json, read_rows
from rft_jax.records import read_samples
from tests.together import finish, start

SAMPLE = ["--gin.sample.num_samples=2", "--gin.sample.max_new_tokens=24", "--gin.sample.slots=16"]
SAMPLE += ["--gin.sample.group=2", "--gin.sample.max_prompt_length=96"]
FLAGS = ["--gin.run.limit=40", "--gin.run.parallel=1", "--gin.train.num_steps=20"]
FLAGS += ["--gin.train.batch_size=8", "--gin.train.max_length=128", *SAMPLE]
FLAGS += ["--gin.evaluate.max_new_tokens=24", "--gin.evaluate.max_prompt_length=96"]
FLAGS += ["--gin.evaluate.bootstrap_resamples=100"]

POLICY = ["--gin.run.experiment='policy_training'", "--gin.policy_training.presets=('grpo',)"]
POLICY += ["--gin.policy_training.steps=(1,)", "--gin.policy_training.rounds=0"]
POLICY += ["--gin.policy.problems_per_step=4", "--gin.policy.samples_per_problem=4"]
POLICY += ["--gin.policy.held_out=0", "--gin.vote/evaluate.num_samples=2"]
POLICY += ["--gin.vote/evaluate.temperature=0.7"]


def _losses(run: Path) -> list[float]:
    (folder,) = (run / "stages").glob("sft-0-train-*/")
    return [row["loss"] for _, row in read_rows(folder / "metrics.jsonl")]


def _drawn(folder: Path) -> list[tuple[str, int, tuple[int, ...] | None]]:
    files = sorted(folder.glob("samples-*.jsonl"))
    return [(one.id, one.sample, one.tokens) for file in files for _, one in read_samples(file)]


@pytest.mark.slow
def test_two_processes_run_the_loop_as_one_does(tmp_path: Path) -> None:
    """Losses to 1e-5 over 20 steps; from the same checkpoint, four devices a host, the samples."""
    more = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    for count, arms in ((2, "['sft', 'rft']"), (1, "['sft']")):
        words = ["run", "--output", str(tmp_path / str(count)), *FLAGS]
        words.append(f"--gin.run.arms={arms}")
        ended = finish(start(words, count, devices=8 // count, more=more))
        assert [code for code, _ in ended] == [0] * count, ended
    together, alone = tmp_path / "2", tmp_path / "1"
    assert len(_losses(together)) == 20
    np.testing.assert_allclose(_losses(together), _losses(alone), rtol=1e-5)
    results = read_json(together / "results.json")["rows"]
    assert [(row["model"], row["accuracy"]["n"]) for row in results] == [("sft", 40), ("rft", 40)]

    (model,) = (together / "stages").glob("sft-0-train-*/")
    (samples,) = (together / "stages").glob("sft-0-sample-*/")
    (problems,) = (together / "problems").glob("wordproblems-train-*.jsonl")
    assert len(list(samples.glob("samples-*-of-00002.jsonl"))) == 2
    words = ["sample", "--model", str(model), "--problems", str(problems), "--name", "sft-0"]
    words += ["--output", str(tmp_path / "again"), *SAMPLE]
    ((code, said),) = finish(start(words, 1, devices=4))
    assert code == 0, said
    assert _drawn(tmp_path / "again") == _drawn(samples)
    assert len(_drawn(samples)) == 80


@pytest.mark.slow
def test_two_processes_train_the_policies_of_a_run(tmp_path: Path) -> None:
    words = ["run", "--output", str(tmp_path / "run"), *FLAGS, *POLICY]
    words += ["--gin.run.limit=16", "--gin.train.num_steps=4"]
    more = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    ended = finish(start(words, 2, more=more))
    assert [code for code, _ in ended] == [0, 0], ended
    stages = tmp_path / "run" / "stages"
    for arm in ("grpo", "rft_grpo"):
        (folder,) = stages.glob(f"{arm}-0-policy-*/")
        assert len(list(read_rows(folder / "metrics.jsonl"))) == 1
        assert len(_drawn(folder / "samples")) == 4 * 4
        assert (stages / f"{folder.name}.process-1.log").exists(), "it took part"
    rows = read_json(tmp_path / "run" / "results.json")["rows"]
    assert {"grpo_1", "rft_grpo_1"} < {row["model"] for row in rows}
