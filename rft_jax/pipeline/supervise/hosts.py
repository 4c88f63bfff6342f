"""`rft run` on several hosts: process 0 decides, the others do as it says and tell how it went.

Every host runs the same command line. The others hold a connection each to process 0, on which both
sides send JSON objects, a line each. A connection that closes says that whoever held its other end
is gone, so nothing else has to be watched. What a stage's processes have to tell each other they
tell by JAX's own means, under an address that process 0 names anew for every stage.
"""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol

from rft_jax.devices.cluster import VARIABLES, Place, is_started_together, named_place
from rft_jax.errors import Preempted, StageFailed, UserError
from rft_jax.pipeline.stages import Stage
from rft_jax.pipeline.supervise.connection import Connection, Message
from rft_jax.pipeline.supervise.environment import child_environment
from rft_jax.pipeline.supervise.process import LocalProcess, Process, Tell

# What several hosts do together; the rest is process 0's.
SPREAD = ("train", "sample", "evaluate")
SECONDS_TO_COME = 900.0


def place_in_run(environment: Mapping[str, str]) -> Place | None:
    """Which process of a run this is; None for the only one.

    Raises:
      UserError: a launcher has started several and the variables are not set.
    """
    place = named_place(environment)
    if place is None and is_started_together(environment):
        raise UserError(
            f"rft run as several processes needs {', '.join(VARIABLES)} in the environment of "
            "each; launch/slurm.sh and launch/tpu_slice.sh set them"
        )
    return place if place is not None and place.count > 1 else None


class Hosts(Protocol):
    """Where a run's stages are computed.

    Attributes:
      count: how many hosts there are.
    """

    count: int

    def start(self, stage: Stage, root: Path, one_thread: bool, tell: Tell) -> list[Process]:
        """Starts a stage's command on all hosts that have a part in it."""

    def check(self) -> None:
        """Raises what a host has told or what its silence says."""


class OneHost:
    """This host alone."""

    count = 1

    def start(self, stage: Stage, root: Path, one_thread: bool, tell: Tell) -> list[Process]:
        environment = environment_for(one_thread)
        return [LocalProcess(stage.words(root), root, root / stage.log, environment, tell)]

    def check(self) -> None:
        pass


def environment_for(one_thread: bool, place: Place | None = None) -> dict[str, str]:
    """A child's environment; of the cluster it knows what `place` says and nothing else."""
    own = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    return child_environment(own, one_thread) | (place.variables() if place else {})


class _RemoteProcess:
    """A stage's command on another host, as process 0 sees it."""

    def __init__(self, where: str, log: Path, connection: Connection, tell: Tell) -> None:
        self.where, self.log = where, log
        self.last_lines: deque[str] = deque()
        self.returncode: int | None = None
        self._connection, self._tell = connection, tell
        self._ended = threading.Event()

    def end(self, code: int, last: Sequence[str]) -> None:
        """Its host says that it ended."""
        self.returncode = code
        self.last_lines.extend(last)
        self._ended.set()
        self._tell(self, None)

    def terminate(self) -> None:
        self._connection.send(do="terminate")

    def kill(self) -> None:
        self._connection.send(do="kill")

    def wait(self, seconds: float) -> bool:
        return self._ended.wait(max(seconds, 0.0))


class _Follower:
    """Another host, as process 0 sees it."""

    def __init__(self, stream: socket.socket) -> None:
        self.connection = Connection(stream, self._hear)
        self.running: _RemoteProcess | None = None
        self.trouble: Exception | None = None
        self.index, self.name, self.words = -1, "", ""

    def greet(self) -> bool:
        """Takes its first message; whether that was one of ours."""
        hello = self.connection.read() or {}
        self.index, self.words = hello.get("process", -1), hello.get("words", "")
        self.name = f"process {self.index} ({hello.get('host')})"
        return self.index > 0

    def start(self, log: Path, tell: Tell) -> _RemoteProcess:
        """What stands here for the process that it is about to be told to start."""
        self.running = _RemoteProcess(self.name, log, self.connection, tell)
        return self.running

    def _hear(self, message: Message | None) -> None:
        if message is None:
            self.trouble = self.trouble or StageFailed(f"{self.name} is gone", 1)
            if self.running is not None:
                self.running.end(-signal.SIGKILL, ())
        elif message["said"] == "ended" and self.running is not None:
            ended, self.running = self.running, None
            ended.end(message["code"], message["last"])
        elif message["said"] == "stopped":
            self.trouble = Preempted(f"{self.name} was stopped by {message['signal']}")


class Leader:
    """Process 0's side, for the length of a `with` block; its end is told to the others.

    Args:
      place: of this process.
      words: what has to be the same in every process's command line.
    """

    def __init__(self, place: Place, words: Sequence[str]) -> None:
        self.count = place.count
        self._place, self._words = place, digest(words)
        self._followers: list[_Follower] = []

    def __enter__(self) -> Leader:
        """Waits until all the others are there.

        Raises:
          UserError: one has another command line, or they did not come.
        """
        print(f"run: waits for {self.count - 1} other processes", flush=True)
        try:
            with socket.create_server(("", self._place.port)) as server:
                self._gather(server, time.monotonic() + SECONDS_TO_COME)
        except UserError as error:
            self._say_end(error)
            raise
        for follower in self._followers:
            follower.connection.listen()
        return self

    def _gather(self, server: socket.socket, deadline: float) -> None:
        missing = set(range(1, self.count))
        while missing:
            server.settimeout(max(deadline - time.monotonic(), 0.01))
            try:
                stream, _ = server.accept()
            except TimeoutError:
                raise UserError(
                    f"process {', '.join(map(str, sorted(missing)))} of {self.count} did not come "
                    f"in {SECONDS_TO_COME:.0f} seconds; start the same command on every host, "
                    f"{VARIABLES[2]} from 0"
                ) from None
            stream.settimeout(10)
            follower = _Follower(stream)
            if not follower.greet():
                continue
            self._followers.append(follower)
            if follower.index not in missing:
                raise UserError(f"{follower.name}: its {VARIABLES[2]} is another process's too")
            if follower.words != self._words:
                raise UserError(f"{follower.name} was started with other words or another rft")
            missing.remove(follower.index)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._say_end(error)

    def _say_end(self, error: BaseException | None) -> None:
        for follower in self._followers:
            follower.connection.send(do="end", code=_exit_code(error), message=str(error or ""))
            follower.connection.close()

    def start(self, stage: Stage, root: Path, one_thread: bool, tell: Tell) -> list[Process]:
        log, words = root / stage.log, stage.words(root)
        if stage.command not in SPREAD:
            return [LocalProcess(words, root, log, environment_for(one_thread), tell)]
        address = f"{self._place.host}:{_free_port()}"
        own = environment_for(one_thread, Place(address, self.count, 0))
        processes: list[Process] = [LocalProcess(words, root, log, own, tell)]
        for follower in self._followers:
            its_log = stage.log.with_name(f"{stage.log.stem}.process-{follower.index}.log")
            processes.append(follower.start(root / its_log, tell))
            follower.connection.send(
                do="start",
                words=words,
                log=str(its_log),
                address=address,
                one_thread=one_thread,
            )
        return processes

    def check(self) -> None:
        for follower in self._followers:
            if follower.trouble is not None:
                raise follower.trouble


def _exit_code(error: BaseException | None) -> int:
    return 0 if error is None else getattr(error, "exit_code", 1)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("", 0))
        return free.getsockname()[1]


def digest(words: Sequence[str]) -> str:
    """Of a command line, to see whether two are the same."""
    return hashlib.sha256("\0".join(words).encode()).hexdigest()
