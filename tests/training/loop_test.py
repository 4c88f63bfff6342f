"""The loop over steps: stops and resumes to the same weights, saves nothing that is NaN."""

from __future__ import annotations

import json
import os
import shutil
import signal
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from rft_jax.devices.chips import CHIPS
from rft_jax.devices.mesh_settings import MeshSettings
from rft_jax.devices.partitioning import make_mesh
from rft_jax.errors import Preempted, UserError
from rft_jax.files.jsonl import read_rows
from rft_jax.models.llama import init_params
from rft_jax.models.shapes import train_flops_per_token
from rft_jax.training import loop
from rft_jax.training.loop import Steps, run_steps
from rft_jax.training.train_step import TrainState
from rft_jax.training.trainer import train
from tests.training.conftest import CONFIG, SETTINGS, assert_same_outcome, losses


def test_sigterm_saves_and_the_next_run_ends_with_the_same_weights(
    finished: Path, data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole_step = loop.train_step
    calls = []

    def step_with_signal(*args: object, **named: object) -> object:
        calls.append(sum(array.nbytes for array in jax.live_arrays()))
        if len(calls) == 7:
            os.kill(os.getpid(), signal.SIGTERM)
        return whole_step(*args, **named)

    monkeypatch.setattr(loop, "train_step", step_with_signal)
    with pytest.raises(Preempted, match="after step 7"):
        train(CONFIG, [data], str(tmp_path / "model"), SETTINGS)
    assert len(losses(tmp_path / "model")) == 7
    train(CONFIG, [data], str(tmp_path / "model"), SETTINGS)
    assert len(calls) == 20
    assert calls[9] <= calls[3]  # bytes on devices: resumed, the weights before are let go
    assert_same_outcome(tmp_path / "model", finished)


WILD = replace(SETTINGS, learning_rate=1e30, max_grad_norm=0.0, save_every_steps=1)


@pytest.mark.each_change
def test_a_loss_that_is_nan_stops_with_step_and_last_good_checkpoint(
    data: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"step 2: loss .*last good checkpoint is step 1 in"):
        train(CONFIG, [data], str(tmp_path / "model"), WILD)


@pytest.mark.parametrize(
    "num_steps",
    [pytest.param(1, marks=pytest.mark.slow), pytest.param(3, marks=pytest.mark.each_change)],
)
def test_an_update_that_makes_weights_infinite_is_neither_saved_nor_exported(
    data: str, tmp_path: Path, num_steps: int
) -> None:
    folder = tmp_path / "model"
    wild = replace(WILD, learning_rate=3e38, weight_decay=5.0, num_steps=num_steps)
    message = r"step 1: its update made params/\S+ NaN or infinite; no checkpoint was saved before"
    with pytest.raises(UserError, match=message):
        train(CONFIG, [data], str(folder), wild)
    assert not (folder / "model.safetensors").exists()
    assert not (folder / "checkpoints" / "1").exists()


@dataclass(frozen=True, eq=False)
class Diverging(Steps):
    """Steps of which the first has this loss and weight, and of whose weights samples are NaN."""

    label = "policy"
    shown = ()
    loss: float
    weight: float
    is_measured: bool

    def advance(
        self, state: TrainState, step: int, learning_rate: float
    ) -> tuple[TrainState, dict[str, Any]]:
        del learning_rate
        if step:
            raise UserError("the model's logits are NaN or infinite")
        params = jax.tree.map(lambda leaf: jnp.full_like(leaf, self.weight), state.params)
        return state.replace(step=state.step + 1, params=params), {
            "loss": jnp.float32(self.loss),
            "grad_norm": jnp.float32(1.0),
        }

    def measure(self, state: TrainState, step: int) -> dict[str, float]:
        del state, step
        if self.is_measured:
            raise UserError("the model's logits are NaN or infinite")
        return {}

    def speed(self, steps: int, seconds: float) -> dict[str, float]:
        del steps, seconds
        return {}


@pytest.mark.parametrize("is_measured", [True, False])
@pytest.mark.parametrize(
    ("loss", "weight", "message"),
    [
        (np.nan, np.nan, "step 1: loss nan, .* lower policy.learning_rate"),
        (1.0, np.inf, r"step 1: its update made params/\S+ NaN .* lower policy.learning_rate"),
        (1.0, 1.0, "the model's logits are NaN"),
    ],
)
def test_samples_that_are_nan_are_blamed_on_the_step_that_diverged(
    tmp_path: Path, loss: float, weight: float, message: str, is_measured: bool
) -> None:
    mesh = make_mesh(MeshSettings(), jax.devices()[:1])
    steps = Diverging(SETTINGS, mesh, 3, tmp_path, {}, loss, weight, is_measured)
    with pytest.raises(UserError, match=message):
        run_steps(steps, init_params(CONFIG, jax.random.key(0)), lambda _step: False)


def test_a_model_with_nan_is_refused_before_any_step(
    finished: Path, data: str, tmp_path: Path
) -> None:
    broken = shutil.copytree(finished, tmp_path / "broken")
    tensors = load_file(broken / "model.safetensors")
    tensors["model.layers.1.mlp.up_proj.weight"][0, 0] = np.nan
    save_file(tensors, broken / "model.safetensors")
    with pytest.raises(UserError, match="up/kernel is NaN or infinite before step 1; start from"):
        settings = replace(SETTINGS, template="", tokenizer="")
        train(str(broken), [data], str(tmp_path / "model"), settings)


@pytest.mark.slow
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
