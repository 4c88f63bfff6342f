"""A command as a child process whose output goes to a log."""

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

from rft_jax.errors import StageFailed
from rft_jax.pipeline.supervise.environment import ENDS_WITH_PARENT
from rft_jax.workers.start import python_command

# `rft` for a child: this very installation, whatever the PATH.
COMMAND = python_command("rft_jax.cli:main")
SHOWN_LINES = 15

Listener = Callable[["ChildCommand", str | None], None]


class ChildCommand:
    """A running `rft` command, in a process group of its own; it ends when this process does.

    Args:
      words: the command line after `rft`.
      root: the working directory.
      log: the file that the command's output is appended to.
      environment: of the process.
      listener: called with each printed line and, once the command has ended, with None; in a
        thread of its own.

    Attributes:
      last_lines: the newest printed lines.
      returncode: None while the command runs; negative for a signal.
    """

    def __init__(
        self,
        words: Sequence[str],
        root: Path,
        log: Path,
        environment: Mapping[str, str],
        listener: Listener = lambda _command, _line: None,
    ) -> None:
        self.log = log
        self.last_lines: deque[str] = deque(maxlen=SHOWN_LINES)
        self.returncode: int | None = None
        self._listener = listener
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
                with contextlib.suppress(OSError):  # the command itself reports a full disk
                    file.write(line)
                text = line.decode("utf-8", "replace").rstrip()
                self.last_lines.append(text)
                self._listener(self, text)
        self.returncode = self._process.wait()
        self._ended.set()
        self._listener(self, None)

    def terminate(self) -> None:
        """Asks the command to save and end."""
        self._process.terminate()

    def kill(self) -> None:
        """Ends the command and everything that it has started."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)

    def wait(self, seconds: float | None = None) -> bool:
        """Whether the command ended within so many seconds; None waits for its end."""
        return self._ended.wait(seconds)


def run_report(home: Path, environment: Mapping[str, str]) -> None:
    """Makes the run's report from its files.

    Raises:
      StageFailed: `rft report` failed.
    """
    words = ["report", ".", "--output", "report"]
    command = ChildCommand(words, home, home / "report.log", environment)
    try:
        command.wait()
    finally:
        command.kill()
    if command.returncode:
        lines = "\n".join(command.last_lines)
        raise StageFailed(f"report: exit code {command.returncode}\n{lines}", command.returncode)
