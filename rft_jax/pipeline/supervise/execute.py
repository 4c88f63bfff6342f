"""Runs a plan's stages as child processes, several side by side, each once its inputs are there."""

from __future__ import annotations

import os
import queue
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rft_jax.errors import Preempted, UserError, error_with
from rft_jax.files.jsonl import read_json, write_json
from rft_jax.pipeline.stages import Stage
from rft_jax.pipeline.supervise.display import RunDisplay
from rft_jax.pipeline.supervise.environment import child_environment
from rft_jax.pipeline.supervise.hosts import Hosts
from rft_jax.pipeline.supervise.process import ChildCommand
from rft_jax.signals import sigterm_flag

TIMING = "stages/timing.json"
"""Seconds of every stage's process, all its starts together, by the stage's folder name."""
SECONDS_TO_SAVE = 120.0
_SECONDS_BETWEEN_TIMINGS = 2.0


@dataclass(eq=False)
class _Running:
    """A stage in progress.

    Attributes:
      command: its process on this host; None where process 0 runs the stage for all hosts.
      begin: its start, by the monotonic clock.
    """

    stage: Stage
    command: ChildCommand | None
    begin: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.begin


class Executor:
    """Runs stages in a run's folder.

    Args:
      root: the run's folder; the children work in it.
      parallel: number of stages side by side.
      hosts: where they are computed.
      one_thread: whether each stage computes on one thread.
      display: shows their progress.
    """

    def __init__(
        self, root: Path, parallel: int, hosts: Hosts, one_thread: bool, display: RunDisplay
    ) -> None:
        self._root, self._parallel, self._display = root, parallel, display
        self._hosts, self._one_thread = hosts, one_thread
        self._lines: queue.Queue[tuple[ChildCommand, str | None]] = queue.Queue()
        self._running: list[_Running] = []
        self._timing = stage_seconds(root)
        self._timed = time.monotonic()

    def run(self, stages: Sequence[Stage]) -> None:
        """Runs the stages that are not finished, and records how long each took.

        Stages start in the order given, as soon as their inputs are finished.

        Raises:
          UserError, StageFailed: a stage failed; the others were stopped, their state saved.
          Preempted: SIGTERM or Ctrl-C arrived; all were stopped, their state saved.
        """
        done = {stage for stage in stages if stage.is_complete(self._root)}
        waiting = [stage for stage in stages if stage not in done]
        with sigterm_flag() as stopped:
            try:
                while waiting or self._running:
                    self._start_ready(waiting, done)
                    done |= self._ended()
                    if stopped():
                        print("run: stops; the stages save their state", flush=True)
                        raise Preempted("stopped by SIGTERM")
                    self._hosts.check()
            except BaseException as error:
                self._hosts.report(error)
                # A process that computes together with a failed one cannot save any more.
                independent = isinstance(error, Exception) and self._hosts.count == 1
                self._stop_all(saving=independent or isinstance(error, Preempted))
                raise

    def _start_ready(self, waiting: list[Stage], done: set[Stage]) -> None:
        for stage in list(waiting):
            if len(self._running) >= self._parallel:
                return
            if done.issuperset(stage.waits_for):
                waiting.remove(stage)
                self._running.append(_Running(stage, self._start(stage)))
                self._display.started(stage)
                self._write_timing()

    def _start(self, stage: Stage) -> ChildCommand | None:
        if not self._hosts.computes(stage):
            return None
        environment = child_environment(os.environ, self._one_thread) | self._hosts.variables(stage)
        log = self._root / self._hosts.log(stage)
        words = stage.words(self._root)
        return ChildCommand(words, self._root, log, environment, lambda *one: self._lines.put(one))

    def _ended(self) -> set[Stage]:
        """Shows what the children print until one ends or for half a second; stages that ended.

        Raises:
          UserError, StageFailed, Preempted: a child failed or was stopped.
        """
        deadline = time.monotonic() + 0.5
        ended = {one for one in self._running if self._is_done_elsewhere(one)}
        while not ended and (left := deadline - time.monotonic()) > 0:
            try:
                command, line = self._lines.get(timeout=left)
            except queue.Empty:
                break
            running = next(one for one in self._running if one.command is command)
            if line is not None:
                self._display.printed(running.stage, line)
            elif command.returncode == 0:
                ended.add(running)
            else:
                raise _failure(running.stage, command)
        for running in ended:
            self._display.finished(running.stage, running.seconds)
        if ended or time.monotonic() - self._timed > _SECONDS_BETWEEN_TIMINGS:
            current = self._write_timing()
            self._timing |= {one.stage.folder.name: current[one.stage.folder.name] for one in ended}
            self._running = [running for running in self._running if running not in ended]
        return {running.stage for running in ended}

    def _is_done_elsewhere(self, running: _Running) -> bool:
        return running.command is None and running.stage.is_complete(self._root)

    def _write_timing(self) -> dict[str, float]:
        """Writes the seconds of all stages, also while they run: this process may be killed."""
        self._timed = time.monotonic()
        running = {one.stage.folder.name: one.seconds for one in self._running}
        current = {name: self._timing.get(name, 0.0) + s for name, s in running.items()}
        if self._hosts.leads:
            write_json(self._root / TIMING, self._timing | current)
        return current

    def _stop_all(self, saving: bool) -> None:
        """Ends the children, if `saving` after they have saved their state or two minutes."""
        commands = [running.command for running in self._running if running.command is not None]
        try:
            deadline = time.monotonic() + SECONDS_TO_SAVE
            for command in commands if saving else ():
                command.terminate()
            for command in commands if saving else ():
                command.wait(max(deadline - time.monotonic(), 0.0))
        finally:  # also when Ctrl-C arrives for the second time
            for command in commands:
                command.kill()
                command.wait(SECONDS_TO_SAVE)
            self._write_timing()
            self._running.clear()


def _failure(stage: Stage, command: ChildCommand) -> Exception:
    """The error that a failed child is to the run."""
    code, last = command.returncode or 0, list(command.last_lines)
    if code == UserError.exit_code:
        messages = [line.removeprefix("rft: ") for line in last if line.startswith("rft: ")]
        return UserError(f"{stage.title}: {' '.join(messages[-1:])} (see {command.log})")
    if code == Preempted.exit_code:
        return Preempted(f"{stage.title}: stopped from outside, its state is saved")
    ended = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    lines = "\n".join(f"    {line}" for line in last)
    message = f"{stage.title}: {ended}; the end of {command.log}:\n{lines}"
    return error_with(max(code, 1), message)


def stage_seconds(root: Path) -> dict[str, float]:
    """The content of `TIMING` in a run's folder; empty before the first stage."""
    return read_json(root / TIMING) if (root / TIMING).exists() else {}
