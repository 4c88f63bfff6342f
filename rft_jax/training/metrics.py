"""What training leaves to look at: metrics.jsonl, a row a step, and TensorBoard events."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rft_jax.jsonl import read_rows, write_rows

FILE_NAME = "metrics.jsonl"


class MetricsLog:
    """The rows of all steps so far; written whole at every checkpoint, so a row is never torn.

    Args:
      folder: where `metrics.jsonl` and `tensorboard/` lie.
      step: steps done by the checkpoint gone on from; later rows of an earlier run are dropped.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self._path = folder / FILE_NAME
        self._events = folder / "tensorboard"
        self.rows: list[dict[str, Any]] = []
        if step and self._path.exists():
            self.rows = [row for _, row in read_rows(self._path) if row["step"] <= step]
        self._shown = len(self.rows)
        self._writer: Any = None

    def add(self, step: int, figures: dict[str, float]) -> None:
        """Keeps the figures of a step (counted from 1)."""
        self.rows.append({"step": step} | figures)

    def write(self) -> None:
        """Puts everything so far on disk."""
        write_rows(self._path, self.rows)
        if self._writer is None:
            from tensorboardX import SummaryWriter

            purge = self.rows[self._shown]["step"] if self._shown < len(self.rows) else None
            self._writer = SummaryWriter(str(self._events), purge_step=purge)
        for row in self.rows[self._shown :]:
            for name, value in row.items():
                if name != "step":
                    self._writer.add_scalar(f"train/{name}", value, row["step"])
        self._writer.flush()
        self._shown = len(self.rows)
