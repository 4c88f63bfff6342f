"""A stage's command as a child process: its output goes to a log, its end is told."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from rft_jax.errors import StageFailed
from rft_jax.pipeline.supervise.environment import ENDS_WITH_PARENT
from rft_jax.workers.start import python_command

# What `rft` is for a child: this very installation, whatever stands on the PATH.
COMMAND = python_command("rft_jax.cli:main")
SHOWN_LINES = 15
SECONDS_TO_SAVE = 120.0


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


class Process(Protocol):
    """A running command, here or on another host.

    Attributes:
      where: the host, as people are told; '' for this one.
      log: the file with all that it printed.
      last_lines: the newest of it.
      returncode: None as long as it runs; negative for a signal.
    """

    where: str
    log: Path
    last_lines: deque[str]
    returncode: int | None

    def terminate(self) -> None:
        """Asks it to save and end."""

    def kill(self) -> None:
        """Ends it and what it has started."""

    def wait(self, seconds: float) -> bool:
        """Whether it ended within so many seconds."""


Tell = Callable[[Process, str | None], None]


class LocalProcess:
    """A command on this host, in a process group of its own.

    Args:
      words: after `rft`.
      root: the folder it works in.
      log: the file that its output is added to.
      environment: of the process.
      tell: called with each line it prints and, once it has ended, with None; in a thread.
    """

    def __init__(
        self,
        words: Sequence[str],
        root: Path,
        log: Path,
        environment: Mapping[str, str],
        tell: Tell,
    ) -> None:
        self.where, self.log = "", log
        self.last_lines: deque[str] = deque(maxlen=SHOWN_LINES)
        self.returncode: int | None = None
        self._tell = tell
        log.parent.mkdir(parents=True, exist_ok=True)
        with open(log, "a", encoding="utf-8") as file:
            file.write(f"$ rft {shlex.join(words)}\n")
        self._process = subprocess.Popen(
            [*COMMAND, *words],
            cwd=root,
            env={**environment, ENDS_WITH_PARENT: "1"},
            stdin=subprocess.PIPE,  # held open: a child ends when its parent's end of it closes
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._ended = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with open(self.log, "ab", buffering=0) as file:
            for line in self._process.stdout:
                with contextlib.suppress(OSError):  # of a full disk the command says more itself
                    file.write(line)
                text = line.decode("utf-8", "replace").rstrip()
                self.last_lines.append(text)
                self._tell(self, text)
        self.returncode = self._process.wait()
        self._ended.set()
        self._tell(self, None)

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)

    def wait(self, seconds: float) -> bool:
        return self._ended.wait(max(seconds, 0.0))
