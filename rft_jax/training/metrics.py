"""Metrics of training: metrics.jsonl, TensorBoard events, and optionally Weights & Biases."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rft_jax.errors import UserError
from rft_jax.files.jsonl import read_rows, write_rows
from rft_jax.files.names import STEPS_FILE
from rft_jax.training.settings import TrainSettings


class MetricsLog:
    """The rows of all steps so far; the file is replaced at every checkpoint, so it is complete.

    Args:
      folder: of `metrics.jsonl` and `tensorboard/`.
      step: steps done by the checkpoint that is resumed; later rows of the run before are dropped.
      settings: of the training; where Weights & Biases gets the rows too is among them.

    Raises:
      UserError: there is a project, and wandb is not installed.
    """

    def __init__(self, folder: Path, step: int, settings: TrainSettings) -> None:
        self._path = folder / STEPS_FILE
        self.tensorboard = folder / "tensorboard"
        self.rows: list[dict[str, Any]] = []
        if step and self._path.exists():
            self.rows = [row for _, row in read_rows(self._path) if row["step"] <= step]
        self._sent = len(self.rows)
        self._settings = settings
        self._writers: list[Callable[[dict[str, Any]], None]] = []
        if settings.wandb and importlib.util.find_spec("wandb") is None:
            raise UserError(f"train.wandb = {settings.wandb!r} needs wandb: pip install wandb")

    def add(self, step: int, metrics: dict[str, float]) -> None:
        """Adds the metrics of a step (from 1)."""
        self.rows.append({"step": step} | metrics)

    def write(self) -> None:
        """Writes all rows to disk, and sends those that are new."""
        write_rows(self._path, self.rows)
        new = self.rows[self._sent :]
        if new and not self._writers:
            self._writers.append(_tensorboard(self.tensorboard, new[0]["step"]))
            if self._settings.wandb:
                self._writers.append(_wandb(self._path.parent, self._settings))
        for write in self._writers:
            for row in new:
                write(row)
        self._sent = len(self.rows)


def _tensorboard(folder: Path, first: int) -> Callable[[dict[str, Any]], None]:
    """Writes TensorBoard events; an interrupted run's from step `first` on are removed."""
    from tensorboardX import SummaryWriter

    writer = SummaryWriter(str(folder), purge_step=first)

    def write(row: dict[str, Any]) -> None:
        for name, value in row.items():
            if name != "step":
                writer.add_scalar(f"train/{name}", value, row["step"])
        writer.flush()

    return write


def _wandb(folder: Path, settings: TrainSettings) -> Callable[[dict[str, Any]], None]:
    """Sends rows to the same run of a project whenever training in this folder is resumed."""
    import wandb

    identity = hashlib.sha256(str(folder.absolute()).encode()).hexdigest()[:12]
    run = wandb.init(
        project=settings.wandb,
        id=identity,
        name=settings.wandb_name or folder.name,
        group=settings.wandb_group or None,
        config=asdict(settings),
        dir=str(folder),
        resume="allow",
    )

    def write(row: dict[str, Any]) -> None:
        metrics = {f"train/{name}": value for name, value in row.items() if name != "step"}
        run.log(metrics, step=row["step"])

    return write
