"""Runs a plan's stages as child processes, several side by side, each once its inputs are there."""

from __future__ import annotations

import os
import queue
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rft_jax.errors import Preempted, UserError
from rft_jax.pipeline.child import ENDS_WITH_PARENT
from rft_jax.pipeline.display import RunDisplay
from rft_jax.pipeline.stages import Stage

# What `rft` is for a child: this very installation, whatever stands on the PATH.
COMMAND = (sys.executable, "-m", "rft_jax.cli")
_SHOWN_LINES = 15
_SECONDS_TO_SAVE = 120.0
_USER_ERROR, _PREEMPTED = 2, 75


class StageFailed(Exception):
    """A stage ended with an error that is not the user's; says the end of its log.

    Attributes:
      code: the exit code for the whole run.
    """

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def run_report(root: Path, environment: Mapping[str, str]) -> None:
    """Makes the run's report, from its files alone.

    Raises:
      StageFailed: it could not be made.
    """
    words = ["report", ".", "--output", "report"]
    ended = subprocess.run(
        [*COMMAND, *words],
        cwd=root,
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode != 0:
        raise StageFailed(f"report: {ended.stdout}{ended.stderr}", ended.returncode)


@dataclass
class _Child:
    stage: Stage
    process: subprocess.Popen[bytes]
    begin: float = field(default_factory=time.monotonic)
    last_lines: deque[str] = field(default_factory=lambda: deque(maxlen=_SHOWN_LINES))


class Executor:
    """Runs stages in a run's folder.

    Args:
      root: the run's folder; the children work in it.
      parallel: stages side by side.
      environment: the children's.
      display: what is told of their progress.
    """

    def __init__(
        self,
        root: Path,
        parallel: int,
        environment: Mapping[str, str],
        display: RunDisplay,
    ) -> None:
        self._root, self._parallel, self._display = root, parallel, display
        self._environment = {**environment, ENDS_WITH_PARENT: "1"}
        self._lines: queue.Queue[tuple[_Child, str | None]] = queue.Queue()
        self._children: list[_Child] = []
        self._stop_signal = 0

    def run(self, stages: Sequence[Stage]) -> dict[str, float]:
        """Runs what is not finished; returns the seconds of each stage that ran, by its title.

        Stages start in the order given as soon as what they wait for is finished.

        Raises:
          UserError, StageFailed: a stage failed; the others were stopped, their state saved.
          Preempted: SIGTERM or Ctrl-C came; all were stopped, their state saved.
        """
        done = {stage for stage in stages if stage.is_complete(self._root)}
        waiting = [stage for stage in stages if stage not in done]
        seconds: dict[str, float] = {}
        handlers = {n: signal.signal(n, self._on_signal) for n in (signal.SIGTERM, signal.SIGINT)}
        try:
            while waiting or self._children:
                self._start_ready(waiting, done)
                ended = self._next_ended()
                if self._stop_signal:
                    raise Preempted(f"stopped by {signal.Signals(self._stop_signal).name}")
                if ended is not None:
                    self._check(ended)
                    done.add(ended.stage)
                    seconds[ended.stage.title] = time.monotonic() - ended.begin
                    self._display.finished(ended.stage, seconds[ended.stage.title])
        finally:
            self._stop_children()
            for number, handler in handlers.items():
                signal.signal(number, handler)
        return seconds

    def _on_signal(self, number: int, _frame: object) -> None:
        if self._stop_signal == signal.SIGINT == number:  # Ctrl-C twice: at once
            for child in self._children:
                os.killpg(child.process.pid, signal.SIGKILL)
        self._stop_signal = number

    def _start_ready(self, waiting: list[Stage], done: set[Stage]) -> None:
        for stage in list(waiting):
            if len(self._children) >= self._parallel:
                return
            if done.issuperset(stage.waits_for):
                waiting.remove(stage)
                self._children.append(self._start(stage))

    def _start(self, stage: Stage) -> _Child:
        words = stage.words(self._root)
        log = self._root / stage.log
        log.parent.mkdir(parents=True, exist_ok=True)
        with open(log, "a", encoding="utf-8") as file:
            file.write(f"$ rft {shlex.join(words)}\n")
        process = subprocess.Popen(
            [*COMMAND, *words],
            cwd=self._root,
            env=self._environment,
            stdin=subprocess.PIPE,  # held open: a child ends when its parent's end of it closes
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        child = _Child(stage, process)
        threading.Thread(target=self._read, args=(child, log), daemon=True).start()
        self._display.started(stage)
        return child

    def _read(self, child: _Child, log: Path) -> None:
        """Copies a child's output into its log and the queue, until it ends."""
        assert child.process.stdout is not None
        with open(log, "ab") as file:
            for line in child.process.stdout:
                file.write(line)
                file.flush()
                self._lines.put((child, line.decode("utf-8", "replace").rstrip()))
        child.process.wait()
        self._lines.put((child, None))

    def _next_ended(self) -> _Child | None:
        """Passes on what the children say, until one ends, a signal comes or half a second ends."""
        deadline = time.monotonic() + 0.5
        while not self._stop_signal:
            try:
                child, line = self._lines.get(timeout=max(deadline - time.monotonic(), 0.01))
            except queue.Empty:
                return None
            if line is None:
                self._children.remove(child)
                return child
            child.last_lines.append(line)
            self._display.said(child.stage, line)
        return None

    def _check(self, child: _Child) -> None:
        code = child.process.returncode
        if code == 0:
            return
        log = self._root / child.stage.log
        last = list(child.last_lines)
        if code == _USER_ERROR:
            said = [line.removeprefix("rft: ") for line in last if line.startswith("rft: ")]
            raise UserError(f"{child.stage.title}: {' '.join(said[-1:])} (see {log})")
        if code == _PREEMPTED:
            raise Preempted(f"{child.stage.title}: stopped from outside, its state is saved")
        ended = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        lines = "\n".join(f"    {line}" for line in last)
        raise StageFailed(f"{child.stage.title}: {ended}; the end of {log}:\n{lines}", max(code, 1))

    def _stop_children(self) -> None:
        """Asks the children to save and end; kills those that don't in time."""
        if self._children and self._stop_signal == signal.SIGINT:
            print("stopping, the stages save their state; Ctrl-C again stops at once", flush=True)
        for child in self._children:
            child.process.terminate()
        deadline = time.monotonic() + _SECONDS_TO_SAVE
        for child in self._children:
            try:
                child.process.wait(max(deadline - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                os.killpg(child.process.pid, signal.SIGKILL)
                child.process.wait()
        self._children.clear()
