"""Progress of a run: lines with the stage's name; on a terminal its running stages and a bar."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from rft_jax.pipeline.stages import Stage
from rft_jax.pipeline.supervise.forecast import PROGRESS, Forecast, RunningStage
from rft_jax.progress import duration

_BAR_WIDTH = 30
_TIME_WIDTH = 5


class RunDisplay:
    """Shows the progress of all stages.

    Args:
      stages: the run's.
      finished: those that earlier runs finished.
      seconds: what stages have taken so far, by the names of their folders.
      result: what a finished stage resulted in, in a few words.
      quiet: whether nothing is shown.

    Attributes:
      forecast: of the whole run.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        finished: Collection[Stage] = (),
        seconds: Mapping[str, float] | None = None,
        result: Callable[[Stage], str] = lambda _stage: "",
        quiet: bool = False,
    ) -> None:
        self._stages, self._result, self._quiet = len(stages), result, quiet
        self._width = max((len(stage.title) for stage in stages), default=0)
        self._waiting = [stage for stage in stages if stage not in finished]
        self._running: dict[Stage, RunningStage] = {}
        self.forecast = Forecast()
        for stage in finished:
            if (taken := (seconds or {}).get(stage.folder.name)) is not None:
                self.forecast.add(stage, taken)
        self._begin = time.monotonic()
        self._live: Any = None

    def __enter__(self) -> RunDisplay:
        if sys.stdout.isatty() and not self._quiet:
            from rich.live import Live

            self._live = Live(get_renderable=self.renderable, refresh_per_second=2)
            self._live.start()
        if self._done:
            self._print(f"{self._done} of {self._stages} stages were finished by an earlier run")
        return self

    def __exit__(self, *_error: object) -> None:
        if self._live is not None:
            self._live.stop()

    @property
    def _done(self) -> int:
        return self._stages - len(self._waiting) - len(self._running)

    def started(self, stage: Stage) -> None:
        """Shows that a stage's command was started."""
        self._waiting.remove(stage)
        self._running[stage] = RunningStage()
        if self._live is None:
            self._print(self._line(stage, "starts"))

    def printed(self, stage: Stage, line: str) -> None:
        """Shows a line that a stage's command printed, if it is one of progress."""
        if PROGRESS.match(line):
            self._running[stage].line = line
            if self._live is None:
                self._print(self._line(stage, line))

    def finished(self, stage: Stage, seconds: float) -> None:
        """Shows that a stage is finished, and its result."""
        del self._running[stage]
        self.forecast.add(stage, seconds)
        texts = (f"done in {duration(seconds)}", self._result(stage))
        self._print(self._line(stage, "  ".join(filter(None, texts))))

    def _line(self, stage: Stage, text: str) -> str:
        count = f"{self._done:>{len(str(self._stages))}}/{self._stages}"
        return f"[{count}] {stage.title:<{self._width}}  {text}"

    def _print(self, line: str) -> None:
        if self._live is not None:
            self._live.console.print(
                line, highlight=False, markup=False, no_wrap=True, overflow="ellipsis"
            )
        elif not self._quiet:
            print(line, flush=True)

    def renderable(self) -> Any:
        """The running stages and the run's bar, for a terminal of any width."""
        from rich.console import Group
        from rich.table import Table

        table = Table.grid(padding=(0, 2))
        for width in (self._width, _TIME_WIDTH, _TIME_WIDTH + 4):
            table.add_column(no_wrap=True, min_width=width)
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        running = dict(self._running)  # which another thread changes
        for stage, one in running.items():
            eta = "" if one.eta is None else f"ETA {duration(one.eta)}"
            table.add_row(stage.title, duration(one.seconds), eta, one.text)
        return Group(table, self._bar(running))

    def _bar(self, running: dict[Stage, RunningStage]) -> Any:
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        done = self._done + sum(one.share for one in running.values())
        left = self.forecast.remaining(self._waiting, running)
        texts = [f"{self._done}/{self._stages} stages", duration(time.monotonic() - self._begin)]
        texts += [f"about {duration(left)} left"] if left is not None else []
        bar = Table.grid(padding=(0, 2))
        bar.add_row(ProgressBar(self._stages, done, _BAR_WIDTH), *texts)
        return bar
