"""How long a run still takes: stages take as long as finished ones of their command."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field

from rft_jax.pipeline.stages import Stage

# Lines of `rft_jax.progress`: `train: 3/20 steps  loss 1.5  ETA 0:10`.
PROGRESS = re.compile(r"[\w /-]+: (?P<done>\d+)/(?P<total>\d+) (?P<rest>.*)")
_ETA = re.compile(r"ETA ([\d:]+)$")


@dataclass
class RunningStage:
    """A stage in progress, by what it prints.

    Attributes:
      begin: its start, by the monotonic clock.
      line: its last line of progress; '' while it starts and compiles.
    """

    begin: float = field(default_factory=time.monotonic)
    line: str = ""

    @property
    def seconds(self) -> float:
        """Seconds since its start."""
        return time.monotonic() - self.begin

    @property
    def share(self) -> float:
        """The share that is done."""
        match = PROGRESS.match(self.line)
        return int(match["done"]) / max(int(match["total"]), 1) if match else 0.0

    @property
    def text(self) -> str:
        """The last line without the command's name and the ETA."""
        text = _ETA.sub("", self.line.partition(": ")[2]).rstrip()
        return text or "starts and compiles"

    @property
    def eta(self) -> float | None:
        """Seconds that it still takes, as it says itself."""
        match = _ETA.search(self.line)
        if not match:
            return None
        return sum(int(n) * 60**i for i, n in enumerate(reversed(match[1].split(":"))))


class Forecast:
    """Remaining seconds of a run, from what its stages have taken so far.

    Attributes:
      parallel: number of stages side by side.
    """

    def __init__(self) -> None:
        self.parallel = 1
        self._seconds: dict[str, list[float]] = defaultdict(list)

    def add(self, stage: Stage, seconds: float) -> None:
        """Takes the seconds of a finished stage, of this run or an earlier one."""
        self._seconds[stage.command].append(seconds)

    def remaining(
        self, waiting: Collection[Stage], running: dict[Stage, RunningStage]
    ) -> float | None:
        """Seconds until the end; None as long as no stage says how long it takes.

        Args:
          waiting: stages that have not started.
          running: those in progress.
        """
        known = {command: list(seconds) for command, seconds in self._seconds.copy().items()}
        for stage, one in running.items():
            if one.eta is not None:
                known.setdefault(stage.command, []).append(one.seconds + one.eta)
        if not known:
            return None
        means = {command: sum(seconds) / len(seconds) for command, seconds in known.items()}
        any_stage = sum(means.values()) / len(means)
        left = [
            max(means.get(stage.command, any_stage) - one.seconds, 0)
            if one.eta is None
            else one.eta
            for stage, one in running.items()
        ]
        ahead = sum(means.get(stage.command, any_stage) for stage in waiting)
        return max([(sum(left) + ahead) / self.parallel, *left])
