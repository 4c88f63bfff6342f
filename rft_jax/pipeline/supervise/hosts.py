"""`rft run` on several hosts: all processes run the same plan and watch each other by small files.

Process 0 holds the run's folder. Each process rewrites a file of its own there every two seconds: a
growing number and, in the end, its exit code and message. Process 0 reads the others' files, they
read process 0's: so a process that fails ends all, and so does one whose number stops growing.
"""

from __future__ import annotations

import hashlib
import shutil
import socket
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rft_jax.devices.cluster import VARIABLES, ClusterProcess
from rft_jax.errors import StageFailed, UserError, error_with
from rft_jax.files.jsonl import read_json, write_json
from rft_jax.pipeline.stages import Stage

FOLDER = ".hosts"
# Stages that all processes compute together; process 0 runs the others alone.
SPREAD = ("train", "sample", "evaluate", "policy")
SECONDS_BETWEEN_BEATS = 2.0
# A process that was killed ends the others after so many beats: one minute.
BEATS_OF_SILENCE = 30
SECONDS_TO_START = 900.0
_FIRST_PORT, _PORTS = 10_000, 20_000  # below those that systems hand out by themselves


class Hosts:
    """Where a run's stages are computed; this class is a run on one host.

    Attributes:
      count: number of hosts.
      leads: whether this process is process 0.
    """

    count, leads = 1, True

    def variables(self, stage: Stage) -> dict[str, str]:
        """The environment variables by which a stage's processes find each other."""
        del stage
        return {}

    def log(self, stage: Stage) -> Path:
        """The file of what the stage prints on this host, relative to the run's folder."""
        return stage.log

    def computes(self, stage: Stage) -> bool:
        """Whether this process takes part in a stage."""
        return self.leads or stage.command in SPREAD

    def check(self) -> None:
        """Raises the error that ended another process, or one for a silent process."""

    def report(self, error: BaseException | None) -> None:
        """Tells the other processes how this one ends."""


@dataclass
class _Peer:
    """Another process, as its file shows it.

    Attributes:
      state: the file's content; None before the first reading.
      is_alive: whether the file has changed since the first reading: a file that an earlier run
        left does not.
      silence: readings since the last change.
    """

    index: int
    path: Path
    state: dict[str, Any] | None = None
    is_alive: bool = False
    silence: int = 0

    def read(self) -> None:
        state = self.state or {}
        with suppress(OSError, UserError):  # not written yet
            state = read_json(self.path)
        changed = self.state is not None and state != self.state
        self.is_alive = self.is_alive or changed
        self.silence = 0 if changed else self.silence + 1
        self.state = state

    @property
    def error(self) -> Exception | None:
        """What ended the process, or that nothing has been heard from it."""
        name = f"process {self.index} ({(self.state or {}).get('host')})"
        code, message = (self.state or {}).get("end") or (None, "")
        if code and self.is_alive:
            return error_with(code, f"{name}: {message}")
        if code is None and self.is_alive and self.silence >= BEATS_OF_SILENCE:
            seconds = BEATS_OF_SILENCE * SECONDS_BETWEEN_BEATS
            return StageFailed(f"{name}: no sign of life for {seconds:.0f} seconds")
        return None


class SeveralHosts(Hosts):
    """One process's view of a run on several hosts.

    Args:
      process: this one.
      root: the run's folder, on a disk that all hosts share.
      words: what has to be the same in all processes.
    """

    def __init__(self, process: ClusterProcess, root: Path, words: Sequence[str]) -> None:
        self.count, self.leads = process.count, process.index == 0
        self._process, self._folder = process, root / FOLDER
        run = hashlib.sha256("\0".join(words).encode()).hexdigest()
        # The id of process 0 is that of this start of the run.
        self._start = uuid.uuid4().hex
        self._state: dict[str, Any] = {"id": self._start, "run": run, "beat": 0}
        self._state["host"] = socket.gethostname()
        self._path: Path | None = None
        self._peers = [_Peer(0, self._folder / "process-0.json")]
        self._writing, self._closed = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def join(self) -> None:
        """Waits for the other processes.

        Raises:
          UserError: one did not start in time, or two differ in their command or have one index.
          UserError, Preempted, StageFailed: one has ended.
        """
        if self.leads:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._path = self._peers[0].path
            own = self._folder / self._start
            self._peers = [_Peer(i, own / f"process-{i}.json", {}) for i in range(1, self.count)]
            print(f"run: waits for {self.count - 1} other processes", flush=True)
        self._thread.start()
        deadline = time.monotonic() + SECONDS_TO_START
        while absent := [peer.index for peer in self._peers if not peer.is_alive]:
            self._check_peers()
            if time.monotonic() > deadline:
                raise UserError(
                    f"process {', '.join(map(str, absent))} of {self.count} did not start in "
                    f"{SECONDS_TO_START:.0f} seconds; start the same command on every host, "
                    f"{VARIABLES[2]} from 0"
                )
            time.sleep(0.1)
        self._check_peers()
        if not self.leads:
            self._introduce()

    def _introduce(self) -> None:
        """Makes this process known to process 0."""
        self._start = self._leader["id"]
        path = self._folder / self._start / f"process-{self._process.index}.json"
        path.parent.mkdir(exist_ok=True)
        try:
            path.touch(exist_ok=False)
        except FileExistsError as error:
            raise UserError(
                f"process {self._process.index} of this run has started before; give every "
                f"process its own {VARIABLES[2]}, or start all of them again"
            ) from error
        self._path = path
        if self._leader["run"] != self._state["run"]:
            raise UserError("the settings or the version of rft differ from process 0's")

    @property
    def _leader(self) -> dict[str, Any]:
        return self._state if self.leads else self._peers[0].state or {}

    def _beat(self) -> None:
        while not self._closed.wait(SECONDS_BETWEEN_BEATS):
            self._write(beat=self._state["beat"] + 1)
            for peer in self._peers:
                peer.read()

    def _write(self, **changes: Any) -> None:
        """Rewrites this process's file; on a full disk it stays as it is, so others see silence."""
        with self._writing, suppress(OSError):
            self._state |= changes
            if self._path is not None:
                write_json(self._path, self._state)

    def variables(self, stage: Stage) -> dict[str, str]:
        if stage.command not in SPREAD:
            return {}
        text = f"{self._start} {stage.digest}"
        port = _FIRST_PORT + int(hashlib.sha256(text.encode()).hexdigest(), 16) % _PORTS
        address = f"{self._process.host}:{port}"
        return ClusterProcess(address, self.count, self._process.index).variables()

    def log(self, stage: Stage) -> Path:
        if self.leads:
            return stage.log
        return stage.log.with_suffix(f".process-{self._process.index}.log")

    def _check_peers(self) -> None:
        for peer in self._peers:
            if error := peer.error:
                raise error

    def check(self) -> None:
        self._check_peers()
        if self._leader["id"] != self._start:
            raise StageFailed("process 0 was started again")

    def report(self, error: BaseException | None) -> None:
        code = 0 if error is None else getattr(error, "exit_code", 1)
        self._write(end=[code, str(error or "")])

    def wait_for_end(self) -> None:
        """Returns once process 0 has finished the run."""
        while not self._leader.get("end"):
            self.check()
            time.sleep(0.1)
        self.check()

    def close(self) -> None:
        """Stops writing and reading."""
        self._closed.set()
        self._thread.join(SECONDS_BETWEEN_BEATS)


@contextmanager
def several_hosts(
    process: ClusterProcess, root: Path, words: Sequence[str]
) -> Iterator[SeveralHosts]:
    """The hosts of a run for the length of the block, whose end is reported to the others."""
    hosts = SeveralHosts(process, root, words)
    try:
        hosts.join()
        yield hosts
    except BaseException as error:
        hosts.report(error)
        raise
    else:
        hosts.report(None)
    finally:
        hosts.close()
