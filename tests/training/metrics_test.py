"""Metrics in files, TensorBoard events and Weights & Biases."""

from __future__ import annotations

import importlib.util
import itertools
import sys
import time
import types
from pathlib import Path
from typing import Any

import pytest

from rft_jax.errors import UserError
from rft_jax.files.jsonl import read_rows
from rft_jax.training.metrics import MetricsLog
from rft_jax.training.settings import TrainSettings

SENT = TrainSettings(seed=3, wandb="maths", wandb_name="second try", wandb_group="rft")


class FakeWandb(types.ModuleType):
    """Stands in for the package; remembers what it is given."""

    def __init__(self) -> None:
        super().__init__("wandb")
        self.__spec__ = importlib.util.spec_from_loader("wandb", loader=None)
        self.started: list[dict[str, Any]] = []
        self.logged: list[tuple[int, dict[str, float]]] = []

    def init(self, **arguments: Any) -> FakeWandb:
        self.started.append(arguments)
        return self

    def log(self, metrics: dict[str, float], step: int) -> None:
        self.logged.append((step, metrics))


@pytest.fixture
def wandb(monkeypatch: pytest.MonkeyPatch) -> FakeWandb:
    fake = FakeWandb()
    monkeypatch.setitem(sys.modules, "wandb", fake)
    return fake


def test_rows_are_written_at_checkpoints_and_continued_by_a_resumed_run(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path, 0, TrainSettings())
    for step in (1, 2, 3):
        log.add(step, {"loss": 1.0 / step})
    log.write()
    log.add(4, {"loss": 0.1})  # of a step after the checkpoint: lost
    again = MetricsLog(tmp_path, 2, TrainSettings())
    again.add(3, {"loss": 0.5})
    again.write()
    rows = [row for _, row in read_rows(tmp_path / "metrics.jsonl")]
    assert rows == [
        {"step": 1, "loss": 1.0},
        {"step": 2, "loss": 0.5},
        {"step": 3, "loss": 0.5},
    ]
    assert any((tmp_path / "tensorboard").iterdir())


def test_tensorboard_shows_each_step_once_after_an_interruption(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    clock = itertools.count(1_800_000_000)  # files of one second would have one name
    monkeypatch.setattr(time, "time", lambda: float(next(clock)))
    for first, losses in ((0, [4.0, 3.0, 2.5]), (2, [2.0, 1.0])):
        log = MetricsLog(tmp_path, first, TrainSettings())
        for step, loss in enumerate(losses, start=first + 1):
            log.add(step, {"loss": loss})
        log.write()
    events = reader.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    found = [(event.step, event.value) for event in events.Scalars("train/loss")]
    assert found == [(1, 4.0), (2, 3.0), (3, 2.0), (4, 1.0)]


def test_a_new_run_in_the_folder_begins_with_no_rows(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path, 0, TrainSettings())
    log.add(1, {"loss": 1.0})
    log.write()
    assert MetricsLog(tmp_path, 0, TrainSettings()).rows == []


def test_weights_and_biases_gets_every_row_once_and_one_run_a_folder(
    wandb: FakeWandb, tmp_path: Path
) -> None:
    log = MetricsLog(tmp_path, 0, SENT)
    log.add(1, {"loss": 2.0})
    log.write()
    log.add(2, {"loss": 1.0})
    log.write()
    again = MetricsLog(tmp_path, 2, SENT)
    again.add(3, {"loss": 0.5})
    again.write()
    assert [step for step, _ in wandb.logged] == [1, 2, 3]
    assert [metrics["train/loss"] for _, metrics in wandb.logged] == [2.0, 1.0, 0.5]
    first, second = wandb.started
    assert first["project"] == "maths" and first["config"]["seed"] == 3
    assert (first["name"], first["group"]) == ("second try", "rft")
    assert first["id"] == second["id"] and first["resume"] == "allow"


def test_without_a_project_nothing_is_sent(wandb: FakeWandb, tmp_path: Path) -> None:
    log = MetricsLog(tmp_path, 0, TrainSettings())
    log.add(1, {"loss": 2.0})
    log.write()
    assert wandb.started == []


def test_a_project_without_wandb_is_refused_before_any_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(UserError, match="pip install wandb"):
        MetricsLog(tmp_path, 0, SENT)
