"""Defaults of lengths go by the model where it has no room for the usual ones."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from rft_jax.cli import main

TRAIN, SAMPLE, EVALUATE = "train.max_length", "sample.max_new_tokens", "evaluate.max_new_tokens"
COMMANDS = {
    "train": ("--data", "wordproblems:train"),
    "sample": ("--problems", "wordproblems:dev"),
    "evaluate": ("--problems", "wordproblems:dev"),
    "policy": ("--problems", "wordproblems:dev"),
}


def _changed(capsys: pytest.CaptureFixture[str], command: str, model: str, *more: str) -> list[str]:
    """The lengths that are not the settings' own defaults."""
    words = [command, "--model", model, *COMMANDS[command], "--output", "x", *more, "--dry_run"]
    assert main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    return [line for line in lines if line.startswith((TRAIN, SAMPLE, EVALUATE))]


def _model(folder: Path, **content: object) -> str:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(content))
    return str(folder)


@pytest.mark.parametrize(
    ("command", "lengths"),
    [
        ("train", [f"{TRAIN} = 256"]),
        ("sample", [f"{SAMPLE} = 128"]),
        ("evaluate", [f"{EVALUATE} = 128"]),
        ("policy", [f"{TRAIN} = 256", f"{SAMPLE} = 128"]),
    ],
)
def test_the_packages_model_has_lengths_that_fit_it(
    capsys: pytest.CaptureFixture[str], command: str, lengths: list[str]
) -> None:
    assert _changed(capsys, command, "wordproblems:model") == lengths


def test_what_the_user_sets_is_what_is_set(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    embedded = "wordproblems:model"
    flag = f"--gin.{SAMPLE}=96"
    assert _changed(capsys, "sample", embedded, flag) == [f"{SAMPLE} = 96"]
    assert _changed(capsys, "sample", embedded, f"--gin.{SAMPLE}=256") == []
    file = tmp_path / "mine.gin"
    file.write_text(f"{TRAIN} = 144\n")
    assert _changed(capsys, "train", embedded, "--gin_file", str(file)) == [f"{TRAIN} = 144"]


def test_models_with_room_for_the_defaults_and_unknown_ones_have_them(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    long = _model(tmp_path / "long", max_position_embeddings=512)
    scaled = {"rope_type": "linear", "factor": 4}
    stretched = _model(tmp_path / "scaled", max_position_embeddings=256, rope_scaling=scaled)
    for model in (long, stretched, "init:llama_7b", "owner/on-the-hub", str(tmp_path / "nowhere")):
        assert _changed(capsys, "train", model) == []
    assert _changed(capsys, "sample", long) == []


def test_steps_of_a_training_have_the_lengths_of_its_model(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    _model(tmp_path / "checkpoints" / "model", max_position_embeddings=64)
    step = tmp_path / "checkpoints" / "20"
    step.mkdir()
    assert _changed(capsys, "evaluate", str(step)) == [f"{EVALUATE} = 32"]


def test_accuracy_during_training_has_lengths_that_fit_the_model(
    capsys: pytest.CaptureFixture[str],
) -> None:
    watched = ("--gin.train.eval_data=wordproblems:dev", "--gin.train.eval_problems=4")
    lengths = [f"{TRAIN} = 256", f"{EVALUATE} = 128"]
    assert _changed(capsys, "train", "wordproblems:model", *watched) == lengths


def _of_run(capsys: pytest.CaptureFixture[str], folder: Path, *words: str) -> list[str]:
    """The lengths of a run on problems of one's own that are not the settings' own defaults."""
    problems = folder / "mine.jsonl"
    problems.write_text(json.dumps({"question": "1+1?", "answer": "It is 2.\n#### 2"}))
    named = [f"--gin.run.{split}_problems={problems}" for split in ("train", "test")]
    output = str(folder / "run")
    assert main(["run", "--output", output, *named, *words, "--dry_run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    return [line for line in lines if line.startswith((TRAIN, SAMPLE, EVALUATE))]


def test_a_run_on_data_of_ones_own_has_lengths_that_fit_its_model(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    fitting = [f"{TRAIN} = 256", f"{SAMPLE} = 128", f"{EVALUATE} = 128"]
    file = tmp_path / "mine.gin"
    file.write_text("include 'runs/own_data.gin'\nrun.model = 'wordproblems:large'\n")
    for model in (
        ("--gin_file", "runs/own_data.gin", "--model", "wordproblems:model"),
        ("--gin.run.model=wordproblems:large",),
        ("--gin_file", str(file)),
        (),  # the embedded model
    ):
        assert sorted(_of_run(capsys, tmp_path, *model)) == sorted(fitting)
    flags = [f"--gin.{name}=96" for name in (TRAIN, SAMPLE, EVALUATE)]
    assert sorted(_of_run(capsys, tmp_path, *flags)) == [
        f"{name} = 96" for name in sorted((TRAIN, SAMPLE, EVALUATE))
    ]
    long = _model(tmp_path / "long", max_position_embeddings=2048)
    assert _of_run(capsys, tmp_path, "--model", long) == []


def test_the_process_that_starts_the_stages_of_a_run_needs_no_jax(tmp_path: Path) -> None:
    words = ["run", "--output", str(tmp_path / "run"), "--model", "wordproblems:model", "--dry_run"]
    code = (
        f"import sys; from rft_jax.cli import main; assert main({words}) == 0; "
        "print(sorted({'jax', 'flax', 'orbax'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_plan_has_the_lengths_of_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["plan", "--topology", "h100:1", "--gin_file", "runs/own_data.gin", "--dry_run"]
    assert main([*words, "--model", "wordproblems:model"]) == 0
    assert f"\n{TRAIN} = 256\n" in capsys.readouterr().out


def test_a_stage_of_a_run_names_its_lengths_though_they_are_the_defaults(tmp_path: Path) -> None:
    from rft_jax.pipeline.stages import Stage
    from rft_jax.sampling.settings import SampleSettings
    from rft_jax.training.settings import TrainSettings

    settings = {"train": TrainSettings(), "sample": SampleSettings()}
    words = Stage("x", "sft", 0, {}, settings).words(tmp_path)
    assert words[-2:] == [f"--gin.{TRAIN}=512", f"--gin.{SAMPLE}=256"]
