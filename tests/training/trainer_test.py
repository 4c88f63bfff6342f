"""Training ends with a model folder; interrupted anywhere, it ends with the same one."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from rft_jax.checkpoints.load import load_model
from rft_jax.devices.chips import CHIPS
from rft_jax.errors import Preempted, UserError
from rft_jax.files.jsonl import read_rows, write_rows
from rft_jax.models.config import LlamaConfig
from rft_jax.models.shapes import train_flops_per_token
from rft_jax.records import to_row
from rft_jax.training import loop
from rft_jax.training.settings import TrainSettings
from rft_jax.training.trainer import train
from rft_jax.wordproblems.generator import generate_problems
from rft_jax.wordproblems.vocabulary import TOKENIZER_FOLDER

CONFIG = LlamaConfig(
    vocab_size=240,
    hidden_size=16,
    intermediate_size=32,
    num_layers=2,
    num_heads=2,
    num_kv_heads=1,
)
SETTINGS = TrainSettings(
    learning_rate=1e-2,
    num_steps=20,
    batch_size=8,
    max_length=144,
    tokenizer=str(TOKENIZER_FOLDER),
    template="plain",
    save_every_steps=5,
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("data") / "problems.jsonl"
    write_rows(path, map(to_row, generate_problems("dev", 60)))
    return str(path)


@pytest.fixture(scope="module")
def finished(data: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished") / "model"
    train(CONFIG, [data], str(folder), SETTINGS)
    return folder


def losses(folder: Path) -> list[tuple[int, float]]:
    return [(row["step"], row["loss"]) for _, row in read_rows(folder / "metrics.jsonl")]


def assert_same_outcome(folder: Path, finished: Path) -> None:
    ours, theirs = (load_file(f / "model.safetensors") for f in (folder, finished))
    assert ours.keys() == theirs.keys()
    assert all((ours[name] == theirs[name]).all() for name in ours)
    assert (folder / "metrics.jsonl").read_bytes() == (finished / "metrics.jsonl").read_bytes()


def test_the_output_is_a_model_folder_with_its_tokenizer_and_template(finished: Path) -> None:
    loaded = load_model(finished)
    assert loaded.config.num_layers == 2
    assert loaded.template.name == "plain"
    assert loaded.tokenizer.decode(loaded.tokenizer.encode("Lily has 12 beads.")) == (
        "Lily has 12 beads."
    )


def test_the_loss_falls_and_every_step_is_logged_once(finished: Path) -> None:
    logged = losses(finished)
    assert [step for step, _ in logged] == list(range(1, 21))
    assert np.mean([loss for _, loss in logged[-3:]]) < 0.8 * logged[0][1]


def test_a_finished_folder_is_left_alone(
    finished: Path, data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (finished / "model.safetensors").stat().st_mtime_ns
    train(CONFIG, [data], str(finished), SETTINGS)
    assert "finished already" in capsys.readouterr().out
    assert (finished / "model.safetensors").stat().st_mtime_ns == before


def test_another_setting_or_changed_data_is_refused_with_both_values(
    finished: Path, data: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"learning_rate = 0.01, now it is 0.02"):
        train(CONFIG, [data], str(finished), replace(SETTINGS, learning_rate=2e-2))
    changed = tmp_path / "problems.jsonl"
    changed.write_text(Path(data).read_text() + '{"question": "1?", "answer": "1"}\n')
    with pytest.raises(UserError, match="was made with data"):
        train(CONFIG, [str(changed)], str(finished), SETTINGS)
    tokenizer = shutil.copytree(TOKENIZER_FOLDER, tmp_path / "tokenizer")
    train(CONFIG, [data], str(finished), replace(SETTINGS, tokenizer=str(tokenizer)))
    (tokenizer / "tokenizer_config.json").write_text("{}")
    with pytest.raises(UserError, match="was made with tokenizer"):
        train(CONFIG, [data], str(finished), replace(SETTINGS, tokenizer=str(tokenizer)))


def test_sigterm_saves_and_the_next_run_ends_with_the_same_weights(
    finished: Path, data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole_step = loop.train_step
    calls = []

    def step_with_signal(*args: object, **named: object) -> object:
        calls.append(1)
        if len(calls) == 7:
            os.kill(os.getpid(), signal.SIGTERM)
        return whole_step(*args, **named)

    monkeypatch.setattr(loop, "train_step", step_with_signal)
    with pytest.raises(Preempted, match="after step 7"):
        train(CONFIG, [data], str(tmp_path / "model"), SETTINGS)
    assert len(losses(tmp_path / "model")) == 7
    train(CONFIG, [data], str(tmp_path / "model"), SETTINGS)
    assert len(calls) == 20
    assert_same_outcome(tmp_path / "model", finished)


def test_a_loss_that_is_no_number_stops_with_step_and_last_good_checkpoint(
    data: str, tmp_path: Path
) -> None:
    wild = replace(SETTINGS, learning_rate=1e30, max_grad_norm=0.0, save_every_steps=1)
    with pytest.raises(UserError, match=r"step \d+: loss .*last good checkpoint is step \d+"):
        train(CONFIG, [data], str(tmp_path / "model"), wild)


def test_dropped_examples_are_counted(
    data: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(CONFIG, [data], str(tmp_path / "model"), replace(SETTINGS, max_length=104, num_steps=1))
    manifest = json.loads((tmp_path / "model" / "data.json").read_text())
    assert 0 < manifest["dropped"] < manifest["examples"] == 60
    assert f"({manifest['dropped']} dropped" in capsys.readouterr().out


def test_a_tokenizer_larger_than_the_model_is_refused(data: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="233 tokens, the model's vocab_size is 100"):
        train(replace(CONFIG, vocab_size=100), [data], str(tmp_path / "model"), SETTINGS)


SCRIPT = """
import sys
sys.path.insert(0, sys.argv[3])
from tests.training.trainer_test import CONFIG, SETTINGS
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


def test_adapters_are_trained_by_the_same_loop_and_merged_at_the_end(
    finished: Path, data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(SETTINGS, lora_rank=2, lora_alpha=4.0, num_steps=10, template="")
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


def test_tokens_are_kept_and_serve_as_data_of_another_run(finished: Path, tmp_path: Path) -> None:
    tokens = finished / "tokens"
    assert json.loads((tokens / "manifest.json").read_text())["examples"] == 60
    train(CONFIG, [str(tokens)], str(tmp_path / "model"), SETTINGS)
    assert_same_outcome(tmp_path / "model", finished)
    assert not (tmp_path / "model" / "tokens").exists()


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


def test_progress_shows_mfu_where_the_devices_peak_is_known(
    data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "chip_of", lambda _kind: CHIPS["v5e"])
    train(CONFIG, [data], str(tmp_path / "model"), replace(SETTINGS, num_steps=3))
    timing = json.loads((tmp_path / "model" / "timing.json").read_text())
    flops = timing["tokens/s"] * train_flops_per_token(CONFIG, SETTINGS.max_length)
    assert timing["MFU"] == pytest.approx(flops / (8 * 197e12))
    rows = [row for _, row in read_rows(tmp_path / "model" / "metrics.jsonl")]
    assert set(rows[0]) == {"step", "loss", "grad_norm", "tokens", "learning_rate"}


def test_a_batch_that_the_devices_do_not_divide_is_refused(data: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"batch_size 12 is not divisible by .* = 8: set it to 16"):
        train(CONFIG, [data], str(tmp_path / "model"), replace(SETTINGS, batch_size=12))
