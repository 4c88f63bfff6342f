"""Progress of long work: a bar on a terminal, a log line every few seconds elsewhere; its words."""

from __future__ import annotations

import sys
import time
from typing import Any

_SECONDS_BETWEEN_LINES = 5.0


class Progress:
    """Shows how much of some work is done.

    Args:
      label: name of the work, e.g. `train`.
      total: units in all.
      unit: name of the counted units, e.g. `steps`.
      initial: units done by earlier runs; they count for the bar and not for the speed.
    """

    def __init__(self, label: str, total: int, unit: str, initial: int = 0) -> None:
        self.label, self.total, self.unit = label, total, unit
        self._initial = self._done = initial
        self._metrics = ""
        self._start = self._shown = time.monotonic()
        # The first units are compiled: the speed is that after them.
        self._compiled: tuple[float, int] | None = None
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Progress:
        if sys.stderr.isatty():
            self._open_bar()
        return self

    def _open_bar(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        self._bar = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(self.unit),
            TimeRemainingColumn(),
            TextColumn("{task.fields[metrics]}"),
            console=Console(stderr=True),
        )
        self._bar.start()
        self._task = self._bar.add_task(
            self.label, total=self.total, completed=self._initial, metrics=""
        )

    def update(self, done: int, **metrics: float | str) -> None:
        """Shows that `done` units are done in all, with metrics after them."""
        self._done = done
        if done > self._initial:
            self._compiled = self._compiled or (time.monotonic(), done)
        self._metrics = "  ".join(f"{name} {_short(value)}" for name, value in metrics.items())
        if self._bar is not None:
            self._bar.update(self._task, completed=done, metrics=self._metrics)
        elif time.monotonic() - self._shown >= _SECONDS_BETWEEN_LINES:
            self._shown = time.monotonic()
            self._print(self._eta())

    def _eta(self) -> str:
        """The remaining time by the speed after compiling; '' before it is known."""
        since, before = self._compiled or (0.0, self._done)
        if before == self._done:
            return ""
        elapsed = time.monotonic() - since
        return f"ETA {duration(elapsed / (self._done - before) * (self.total - self._done))}"

    def _print(self, ending: str) -> None:
        parts = [f"{self.label}: {self._done}/{self.total} {self.unit}", self._metrics, ending]
        print("  ".join(part for part in parts if part), flush=True)

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        if self._bar is not None:
            self._bar.stop()
        elif kind is None:
            self._print(f"in {duration(time.monotonic() - self._start)}")


def _short(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def quantity(number: int, noun: str) -> str:
    """A number of things: `1 step`, `1,000 steps`.

    Args:
      noun: in the singular; its plural ends in s.
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """Seconds as `3:05`, with hours as `1:03:05`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
