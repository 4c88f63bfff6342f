"""A stage is named by what determines its output, and typed as a command line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rft_jax.devices.mesh_settings import MeshSettings
from rft_jax.files.jsonl import write_rows
from rft_jax.pipeline.stages import Given, Many, OutputOf, Stage, StepsOf
from rft_jax.rft.settings import CollectSettings

MODEL = Given("models/7b", "digest-of-the-model")
TRAINING = Stage("train", "sft", 0, {"--model": MODEL, "--data": Given("p.jsonl", "of-p")})


def test_the_digest_of_a_stage_is_fixed_for_all_time() -> None:
    """Older runs find their stages by it."""
    collecting = Stage(
        "collect",
        "rft",
        0,
        {"--problems": Given("p.jsonl", "of-p"), "--samples": Many((OutputOf(TRAINING),))},
    )
    assert TRAINING.digest.startswith("4dc156890152")
    assert collecting.digest.startswith("e6de90b3031a")


@pytest.mark.parametrize(
    "other",
    [
        replace(TRAINING, arm="rft", seed=3, label="again", known_folder="x"),
        replace(TRAINING, settings={"mesh": MeshSettings(2)}),
        replace(TRAINING, arguments=TRAINING.arguments | {"--model": replace(MODEL, value="m")}),
    ],
    ids=["title", "mesh", "location of an input"],
)
def test_what_does_not_change_the_output_does_not_change_the_digest(other: Stage) -> None:
    assert other.digest == TRAINING.digest


@pytest.mark.parametrize(
    "other",
    [
        replace(TRAINING, command="evaluate"),
        replace(TRAINING, settings={"collect": CollectSettings()}),
        replace(TRAINING, arguments=TRAINING.arguments | {"--model": Given("models/7b", "new")}),
        replace(TRAINING, arguments={"--model": MODEL}),
    ],
    ids=["command", "setting", "content of an input", "argument"],
)
def test_what_changes_the_output_changes_the_digest(other: Stage) -> None:
    assert other.digest != TRAINING.digest


def test_a_change_of_a_stage_changes_the_digests_of_all_that_depend_on_it() -> None:
    other = replace(TRAINING, command="evaluate")
    for argument in (OutputOf, StepsOf, lambda stage: Many((OutputOf(stage),))):
        digests = {
            Stage("sample", "sft", 0, {"--x": argument(stage)}).digest
            for stage in (TRAINING, other)
        }
        assert len(digests) == 2


def test_folder_and_log_have_the_title_and_twelve_digits() -> None:
    digits = TRAINING.digest[:12]
    assert TRAINING.title == "sft-0 train"
    assert TRAINING.folder == Path(f"stages/sft-0-train-{digits}")
    assert TRAINING.log == Path(f"stages/sft-0-train-{digits}.log")
    assert replace(TRAINING, known_folder="old-name").folder == Path("stages/old-name")


def test_a_stage_is_typed_with_its_inputs_its_output_and_changed_settings(tmp_path: Path) -> None:
    settings = CollectSettings(dedup="none", first_samples=3)
    samples = Many((OutputOf(TRAINING), OutputOf(TRAINING, "paths.jsonl")))
    stage = Stage("collect", "rft", 0, {"--samples": samples}, {"collect": settings})
    made = TRAINING.folder
    assert stage.words(tmp_path) == [
        *("collect", "--samples", str(made), "--samples", f"{made}/paths.jsonl"),
        *("--output", str(stage.folder)),
        *("--gin.collect.dedup=none", "--gin.collect.first_samples=3"),
    ]
    assert stage.waits_for == (TRAINING, TRAINING)


def test_the_steps_of_a_training_are_typed_once_it_is_finished(tmp_path: Path) -> None:
    stage = Stage("train", "sft_steps", 0, {"--gin.train.num_steps": StepsOf(TRAINING)})
    assert stage.words(tmp_path)[1] == "--gin.train.num_steps=STEPS"
    write_rows(tmp_path / TRAINING.folder / "metrics.jsonl", [{"step": 1}, {"step": 7}])
    assert not TRAINING.is_complete(tmp_path)
    (tmp_path / TRAINING.folder / "COMPLETE").touch()
    assert TRAINING.is_complete(tmp_path)
    assert stage.words(tmp_path)[1] == "--gin.train.num_steps=7"
