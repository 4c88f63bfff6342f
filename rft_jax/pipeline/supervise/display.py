"""Progress of a run: lines with the stage's name; on a terminal a live table of running stages."""

from __future__ import annotations

import re
import sys
import time
from typing import Any

from rft_jax.pipeline.stages import Stage
from rft_jax.progress import duration

# Lines of `rft_jax.progress`; everything else stays in the stage's log.
_PROGRESS = re.compile(r"[\w -]+: \d+/\d+ ")


class RunDisplay:
    """Shows the progress of all stages.

    Args:
      stages: number of the run's stages.
      finished: number of those that earlier runs finished.
      width: length of the longest stage title.
      quiet: whether nothing is shown.
    """

    def __init__(self, stages: int, finished: int, width: int, quiet: bool = False) -> None:
        self._stages, self._done, self._width, self._quiet = stages, finished, width, quiet
        self._running: dict[Stage, tuple[float, str]] = {}
        self._live: Any = None

    def __enter__(self) -> RunDisplay:
        if sys.stdout.isatty() and not self._quiet:
            from rich.live import Live

            self._live = Live(get_renderable=self._table, refresh_per_second=2)
            self._live.start()
        if self._done:
            self._print(f"{self._done} of {self._stages} stages were finished by an earlier run")
        return self

    def __exit__(self, *_error: object) -> None:
        if self._live is not None:
            self._live.stop()

    def started(self, stage: Stage) -> None:
        """Shows that a stage's command was started."""
        self._running[stage] = (time.monotonic(), "starts")
        if self._live is None:
            self._print(self._line(stage, "starts"))

    def printed(self, stage: Stage, line: str) -> None:
        """Shows a line that a stage's command printed, if it is one of progress."""
        if _PROGRESS.match(line):
            self._running[stage] = (self._running[stage][0], line)
            if self._live is None:
                self._print(self._line(stage, line))

    def finished(self, stage: Stage, seconds: float) -> None:
        """Shows that a stage is finished."""
        del self._running[stage]
        self._done += 1
        self._print(self._line(stage, f"done in {duration(seconds)}"))

    def _line(self, stage: Stage, text: str) -> str:
        count = f"{self._done:>{len(str(self._stages))}}/{self._stages}"
        return f"[{count}] {stage.title:<{self._width}}  {text}"

    def _print(self, line: str) -> None:
        if self._live is not None:
            self._live.console.print(line, highlight=False, markup=False)
        elif not self._quiet:
            print(line, flush=True)

    def _table(self) -> Any:
        from rich.table import Table

        table = Table.grid(padding=(0, 2))
        for _ in range(3):
            table.add_column(no_wrap=True)
        for stage, (begin, line) in self._running.items():
            table.add_row(stage.title, duration(time.monotonic() - begin), line)
        return table
