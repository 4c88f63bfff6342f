"""Training ends with a model folder; interrupted anywhere, it ends with the same one."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file

from rft_jax.checkpoints.load import copy_model, load_model
from rft_jax.errors import Preempted, UserError
from rft_jax.files.jsonl import read_json, read_rows
from rft_jax.training import loop, trainer
from rft_jax.training.trainer import train
from rft_jax.wordproblems.vocabulary import TOKENIZER_FOLDER
from tests.training.conftest import CONFIG, SETTINGS, assert_same_outcome, losses, preempt


def test_the_output_is_a_model_folder_with_its_tokenizer_and_template(finished: Path) -> None:
    loaded = load_model(finished)
    assert loaded.config.num_layers == 2
    assert loaded.template.name == "plain"
    assert loaded.tokenizer.decode(loaded.tokenizer.encode("Lily has 12 beads.")) == (
        "Lily has 12 beads."
    )


def test_a_tokenizer_for_a_model_that_has_its_own_is_refused(
    finished: Path, data: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"train.tokenizer = .* has its own tokenizer; leave"):
        train(str(finished), [data], str(tmp_path / "out"), SETTINGS)
    assert not (tmp_path / "out").exists()


def test_the_loss_falls_and_every_step_is_logged_once(finished: Path) -> None:
    logged = losses(finished)
    assert [step for step, _ in logged] == list(range(1, 21))
    assert np.mean([loss for _, loss in logged[-3:]]) < 0.8 * logged[0][1]


def test_a_finished_folder_is_not_touched(
    finished: Path, data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (finished / "model.safetensors").stat().st_mtime_ns
    train(CONFIG, [data], str(finished), SETTINGS)
    assert "finished already" in capsys.readouterr().out
    assert (finished / "model.safetensors").stat().st_mtime_ns == before


def test_checkpoints_of_a_finished_training_are_models_without_optimizer_state(
    finished: Path, data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    step = finished / "checkpoints" / "20"
    assert (step / "params").is_dir() and not (step / "rest").exists()
    stored, exported = (load_model(f).params for f in (step, finished))
    assert all(map(np.array_equal, *map(jax.tree.leaves, (stored, exported))))
    (step / "rest").mkdir()  # as if the process had been killed just after the end
    train(CONFIG, [data], str(finished), replace(SETTINGS, keep_optimizer_state=True))
    assert (step / "rest").exists()
    train(CONFIG, [data], str(finished), SETTINGS)
    assert not (step / "rest").exists()
    assert capsys.readouterr().out.count("finished already") == 2


@pytest.mark.each_change
def test_in_bfloat16_the_model_and_copies_of_its_checkpoints_are_bfloat16(
    data: str, tmp_path: Path
) -> None:
    settings = replace(SETTINGS, dtype="bfloat16", num_steps=2, keep_optimizer_state=True)
    train(CONFIG, [data], str(tmp_path / "model"), settings)
    copy_model(tmp_path / "model" / "checkpoints" / "2", tmp_path / "copy")
    copy_model(tmp_path / "model", tmp_path / "again")
    for name in ("model", "copy", "again"):
        tensors = load_file(tmp_path / name / "model.safetensors")
        assert {str(tensor.dtype) for tensor in tensors.values()} == {"bfloat16"}
    exported = (tmp_path / "model" / "model.safetensors").read_bytes()
    assert (tmp_path / "copy" / "model.safetensors").read_bytes() == exported
    assert any((tmp_path / "model" / "checkpoints" / "2" / "rest").iterdir())


def test_another_setting_or_changed_data_is_refused_with_both_values(
    finished: Path, data: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"learning_rate = 0.01, now it is 0.02"):
        train(CONFIG, [data], str(finished), replace(SETTINGS, learning_rate=2e-2))
    with pytest.raises(UserError, match=r"now it is 9; .* train further from it: --model .*/"):
        train(CONFIG, [data], str(finished), replace(SETTINGS, num_epochs=9))
    changed = tmp_path / "problems.jsonl"
    changed.write_text(Path(data).read_text() + '{"question": "1?", "answer": "1"}\n')
    with pytest.raises(UserError, match="was made with data"):
        train(CONFIG, [str(changed)], str(finished), SETTINGS)
    tokenizer = shutil.copytree(TOKENIZER_FOLDER, tmp_path / "tokenizer")
    train(CONFIG, [data], str(finished), replace(SETTINGS, tokenizer=str(tokenizer)))
    (tokenizer / "tokenizer_config.json").write_text("{}")
    with pytest.raises(UserError, match="was made with tokenizer"):
        train(CONFIG, [data], str(finished), replace(SETTINGS, tokenizer=str(tokenizer)))


def test_dropped_examples_are_counted(
    data: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = replace(SETTINGS, max_length=104, num_steps=1)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Preempted):
        patch.setattr(trainer, "run_steps", preempt)
        train(CONFIG, [data], str(tmp_path / "model"), settings)
    manifest = json.loads((tmp_path / "model" / "data.json").read_text())
    assert 0 < manifest["dropped"] < manifest["examples"] == 60
    assert f"({manifest['dropped']} dropped" in capsys.readouterr().out


def test_a_shape_in_the_settings_has_only_features_that_differ_from_llamas(finished: Path) -> None:
    """Folders of earlier versions, which knew no others, can be resumed."""
    made_with = json.loads((finished / "settings.json").read_text())
    assert not {"biases", "query_key_norm", "norm_position"} & made_with["model"].keys()
    assert made_with["model"]["hidden_size"] == 16


def test_a_tokenizer_larger_than_the_model_is_refused(data: str, tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"133 tokens .* have no row in the model's embedding of 100"
    ):
        train(replace(CONFIG, vocab_size=100), [data], str(tmp_path / "model"), SETTINGS)


SCRIPT = """
import sys
sys.path.insert(0, sys.argv[3])
from tests.training.conftest import CONFIG, SETTINGS
from rft_jax.training.trainer import train
train(CONFIG, [sys.argv[1]], sys.argv[2], SETTINGS)
"""


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_with_the_same_weights(
    finished: Path, data: str, tmp_path: Path
) -> None:
    folder, chance = tmp_path / "model", random.Random(0)
    root = str(Path(__file__).parents[2])
    command = [sys.executable, "-c", SCRIPT, data, str(folder), root]
    for _ in range(3):
        with subprocess.Popen(command) as process:
            while process.poll() is None and not (folder / "settings.json").exists():
                time.sleep(0.05)
            killer = threading.Timer(chance.uniform(2, 8), process.kill)
            killer.start()
            process.wait()
            killer.cancel()
    subprocess.run(command, check=True)
    assert_same_outcome(folder, finished)


@pytest.mark.slow
def test_adapters_are_trained_by_the_same_loop_and_merged_at_the_end(
    finished: Path, data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(SETTINGS, lora_rank=2, lora_alpha=4.0, num_steps=10)
    settings = replace(settings, template="", tokenizer="")
    whole = tmp_path / "whole"
    train(str(finished), [data], str(whole), settings)
    before, after = (load_file(f / "model.safetensors") for f in (finished, whole))
    changed = {name for name in before if (before[name] != after[name]).any()}
    assert changed == {name for name in before if "proj" in name}
    first, last = losses(whole)[0][1], losses(whole)[-1][1]
    assert last < first
    interrupted = tmp_path / "interrupted"
    save = loop.TrainStateCheckpoints.save

    def stop_after_saving(self: loop.TrainStateCheckpoints, step: int, state: object) -> None:
        save(self, step, state)
        self.wait()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(loop.TrainStateCheckpoints, "save", stop_after_saving)
        train(str(finished), [data], str(interrupted), settings)
    train(str(finished), [data], str(interrupted), settings)
    assert_same_outcome(interrupted, whole)


def test_tokens_are_saved_and_can_be_the_data_of_another_run(
    finished: Path, tmp_path: Path
) -> None:
    tokens = finished / "tokens"
    assert json.loads((tokens / "manifest.json").read_text())["examples"] == 60
    train(CONFIG, [str(tokens)], str(tmp_path / "model"), SETTINGS)
    assert_same_outcome(tmp_path / "model", finished)
    assert not (tmp_path / "model" / "tokens").exists()


@pytest.mark.slow
def test_question_weights_change_the_training_and_neutral_settings_do_not(
    finished: Path, data: str, tmp_path: Path
) -> None:
    lines = Path(data).read_text().splitlines()
    doubled = tmp_path / "doubled.jsonl"
    doubled.write_text("\n".join([*lines, *lines[:20]]) + "\n")
    settings = replace(SETTINGS, num_steps=2, save_every_steps=2)
    for weights in ("none", "equal"):
        train(
            CONFIG,
            [str(doubled)],
            str(tmp_path / weights),
            replace(settings, question_weights=weights),
        )
    assert losses(tmp_path / "none") != losses(tmp_path / "equal")
    made_with = json.loads((finished / "settings.json").read_text())
    assert not {"question_weights", "warmup_steps", "wandb"} & made_with.keys()


def test_a_batch_that_the_devices_do_not_divide_is_refused(data: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"batch_size 12 is not divisible by .* = 8: set it to 16"):
        train(CONFIG, [data], str(tmp_path / "model"), replace(SETTINGS, batch_size=12))


@pytest.mark.slow
def test_a_batch_and_a_learning_rate_of_0_are_chosen_by_data_and_model(
    data: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = replace(SETTINGS, batch_size=0, learning_rate=0, num_steps=0, num_epochs=2)
    train(CONFIG, [data], str(tmp_path / "chosen"), settings)
    said = next(line for line in capsys.readouterr().out.splitlines() if "examples" in line)
    assert "16 steps of 8 × 144" in said  # a row for each of the eight devices
    assert said.endswith("learning rate up to 0.006")
    rows = [row for _, row in read_rows(tmp_path / "chosen" / "metrics.jsonl")]
    assert max(row["learning_rate"] for row in rows) == 0.006
    assert read_json(tmp_path / "chosen" / "data.json")["batch_rows"] == 8
