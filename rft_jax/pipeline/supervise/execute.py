"""Runs a plan's stages as child processes, several side by side, each once its inputs are there."""

from __future__ import annotations

import queue
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rft_jax.errors import Preempted, StageFailed, UserError
from rft_jax.files.jsonl import read_json, write_json
from rft_jax.pipeline.stages import Stage
from rft_jax.pipeline.supervise.display import RunDisplay
from rft_jax.pipeline.supervise.hosts import Hosts
from rft_jax.pipeline.supervise.process import SECONDS_TO_SAVE, Process

TIMING = "stages/timing.json"
"""Seconds of every finished stage, by its folder's name, whichever run it was made for."""


@dataclass
class _Running:
    """A stage under way.

    Attributes:
      processes: those that have not ended; the first is this host's.
    """

    stage: Stage
    processes: list[Process]
    begin: float = field(default_factory=time.monotonic)


class Executor:
    """Runs stages in a run's folder.

    Args:
      root: the run's folder; the children work in it.
      parallel: stages side by side.
      hosts: where they are computed.
      one_thread: whether each computes on one thread.
      display: what is told of their progress.
    """

    def __init__(
        self, root: Path, parallel: int, hosts: Hosts, one_thread: bool, display: RunDisplay
    ) -> None:
        self._root, self._parallel, self._display = root, parallel, display
        self._hosts, self._one_thread = hosts, one_thread
        self._lines: queue.Queue[tuple[Process, str | None]] = queue.Queue()
        self._running: list[_Running] = []
        self._stop_signal = 0

    def run(self, stages: Sequence[Stage]) -> None:
        """Runs what is not finished, and writes down how long each stage took.

        Stages start in the order given as soon as what they wait for is finished.

        Raises:
          UserError, StageFailed: a stage failed; the others were stopped, their state saved.
          Preempted: SIGTERM or Ctrl-C came; all were stopped, their state saved.
        """
        done = {stage for stage in stages if stage.is_complete(self._root)}
        waiting = [stage for stage in stages if stage not in done]
        handlers = {n: signal.signal(n, self._on_signal) for n in (signal.SIGTERM, signal.SIGINT)}
        try:
            while waiting or self._running:
                self._start_ready(waiting, done)
                ended = self._next_ended()
                if self._stop_signal:
                    raise Preempted(f"stopped by {signal.Signals(self._stop_signal).name}")
                if ended is not None:
                    done.add(ended.stage)
                    seconds = time.monotonic() - ended.begin
                    self._display.finished(ended.stage, seconds)
                    known = stage_seconds(self._root)
                    write_json(self._root / TIMING, known | {ended.stage.folder.name: seconds})
        finally:
            self._stop_all()
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, _frame: object) -> None:
        if self._stop_signal == signal.SIGINT == number:  # Ctrl-C twice: at once
            for process in self._processes():
                process.kill()
        self._stop_signal = number

    def _processes(self) -> list[Process]:
        return [process for running in self._running for process in running.processes]

    def _start_ready(self, waiting: list[Stage], done: set[Stage]) -> None:
        for stage in list(waiting):
            if len(self._running) >= self._parallel:
                return
            if done.issuperset(stage.waits_for):
                waiting.remove(stage)
                tell = self._tell
                processes = self._hosts.start(stage, self._root, self._one_thread, tell)
                self._running.append(_Running(stage, processes))
                self._display.started(stage)

    def _tell(self, process: Process, line: str | None) -> None:
        self._lines.put((process, line))

    def _next_ended(self) -> _Running | None:
        """Passes on what the children say: until a stage ends, a signal comes, or half a second.

        Raises:
          UserError, StageFailed, Preempted: a child or a host ended otherwise than well.
        """
        deadline = time.monotonic() + 0.5
        while not self._stop_signal:
            try:
                process, line = self._lines.get(timeout=max(deadline - time.monotonic(), 0.01))
            except queue.Empty:
                self._hosts.check()
                return None
            running = next(one for one in self._running if process in one.processes)
            if line is not None:
                self._display.said(running.stage, line)
                continue
            running.processes.remove(process)
            self._check(running, process)
            if not running.processes:
                self._running.remove(running)
                return running
        return None

    def _check(self, running: _Running, process: Process) -> None:
        code = process.returncode
        if code == 0:
            return
        if code != Preempted.exit_code:  # the processes of one stage fail together
            for other in running.processes:
                other.kill()
        self._hosts.check()  # a host that is gone says more than the child that went with it
        raise _failure(running.stage, process)

    def _stop_all(self) -> None:
        """Asks the children to save and end; kills those that don't in time."""
        children = self._processes()
        if children and self._stop_signal == signal.SIGINT:
            print("stopping, the stages save their state; Ctrl-C again stops at once", flush=True)
        for process in children:
            process.terminate()
        deadline = time.monotonic() + SECONDS_TO_SAVE
        for process in children:
            if not process.wait(max(deadline - time.monotonic(), 0.1)):
                process.kill()
                process.wait(SECONDS_TO_SAVE)
        self._running.clear()


def _failure(stage: Stage, process: Process) -> Exception:
    """What a process that did not end well is to the run."""
    code, last = process.returncode or 0, list(process.last_lines)
    name = f"{stage.title} on {process.where}" if process.where else stage.title
    if code == UserError.exit_code:
        said = [line.removeprefix("rft: ") for line in last if line.startswith("rft: ")]
        return UserError(f"{name}: {' '.join(said[-1:])} (see {process.log})")
    if code == Preempted.exit_code:
        return Preempted(f"{name}: stopped from outside, its state is saved")
    ended = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    lines = "\n".join(f"    {line}" for line in last)
    return StageFailed(f"{name}: {ended}; the end of {process.log}:\n{lines}", max(code, 1))


def stage_seconds(root: Path) -> dict[str, float]:
    """What `TIMING` holds in a run's folder."""
    return read_json(root / TIMING) if (root / TIMING).exists() else {}
