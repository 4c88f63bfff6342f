"""What training leaves to look at: metrics.jsonl, TensorBoard events, Weights & Biases if asked."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rft_jax.errors import UserError
from rft_jax.files.jsonl import read_rows, write_rows

FILE_NAME = "metrics.jsonl"


class MetricsLog:
    """The rows of all steps so far; written whole at every checkpoint, so a row is never torn.

    Args:
      folder: where `metrics.jsonl` and `tensorboard/` lie.
      step: steps done by the checkpoint gone on from; later rows of an earlier run are dropped.
      project: on Weights & Biases, for the rows to go there too; '' for none.
      settings: what Weights & Biases shows beside them.

    Raises:
      UserError: there is a project and no wandb.
    """

    def __init__(
        self, folder: Path, step: int, project: str = "", settings: Mapping[str, Any] | None = None
    ) -> None:
        self._path = folder / FILE_NAME
        self.tensorboard = folder / "tensorboard"
        self.rows: list[dict[str, Any]] = []
        if step and self._path.exists():
            self.rows = [row for _, row in read_rows(self._path) if row["step"] <= step]
        self._shown = len(self.rows)
        self._project, self._settings = project, dict(settings or {})
        self._writers: list[Callable[[dict[str, Any]], None]] = []
        if project and importlib.util.find_spec("wandb") is None:
            raise UserError(f"train.wandb = {project!r} needs wandb: pip install wandb")

    def add(self, step: int, figures: dict[str, float]) -> None:
        """Keeps the figures of a step (counted from 1)."""
        self.rows.append({"step": step} | figures)

    def write(self) -> None:
        """Puts everything so far on disk, and sends it where it is asked for."""
        write_rows(self._path, self.rows)
        new = self.rows[self._shown :]
        if new and not self._writers:
            self._writers.append(_tensorboard(self.tensorboard, new[0]["step"]))
            if self._project:
                self._writers.append(_wandb(self._path.parent, self._project, self._settings))
        for write in self._writers:
            for row in new:
                write(row)
        self._shown = len(self.rows)


def _tensorboard(folder: Path, first: int) -> Callable[[dict[str, Any]], None]:
    """Writes TensorBoard events; those of an interrupted run from step `first` on are purged."""
    from tensorboardX import SummaryWriter

    writer = SummaryWriter(str(folder), purge_step=first)

    def write(row: dict[str, Any]) -> None:
        for name, value in row.items():
            if name != "step":
                writer.add_scalar(f"train/{name}", value, row["step"])
        writer.flush()

    return write


def _wandb(
    folder: Path, project: str, settings: dict[str, Any]
) -> Callable[[dict[str, Any]], None]:
    """Sends rows to one run of a project, the same whenever the folder is gone on with."""
    import wandb

    identity = hashlib.sha256(str(folder.absolute()).encode()).hexdigest()[:12]
    run = wandb.init(
        project=project,
        id=identity,
        name=folder.name,
        config=settings,
        dir=str(folder),
        resume="allow",
    )

    def write(row: dict[str, Any]) -> None:
        figures = {f"train/{name}": value for name, value in row.items() if name != "step"}
        run.log(figures, step=row["step"])

    return write
