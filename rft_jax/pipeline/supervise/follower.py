"""What the processes of a run but process 0 do: its stages, on their hosts, as it says."""

from __future__ import annotations

import queue
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rft_jax.devices.cluster import Place
from rft_jax.errors import StageFailed, UserError, error_with
from rft_jax.pipeline.supervise import hosts
from rft_jax.pipeline.supervise.connection import Connection, Message
from rft_jax.pipeline.supervise.hosts import digest, environment_for
from rft_jax.pipeline.supervise.process import SECONDS_TO_SAVE, LocalProcess, Process


def follow(place: Place, words: Sequence[str], root: Path) -> None:
    """What every process but 0 does: stages as process 0 says, until it says that it is over.

    Raises:
      UserError, Preempted, StageFailed: the run ended so, here or on another host.
    """
    inbox: queue.Queue[Message | None] = queue.Queue()
    connection = Connection(_connect(place), inbox.put)
    connection.send(process=place.index, host=socket.gethostname(), words=digest(words))
    connection.listen()
    with ExitStack() as at_end, _signals(connection):
        at_end.callback(connection.close)
        child: LocalProcess | None = None
        while (message := inbox.get()) is not None:
            if message["do"] == "start":
                child = _start(message, place, root, connection)
            elif message["do"] == "end":
                _stop(child)
                return _finish(message)
            elif child is not None:
                (child.terminate if message["do"] == "terminate" else child.kill)()
        _stop(child)
    raise StageFailed(f"process 0 ({place.host}) is gone", 1)


def _connect(place: Place) -> socket.socket:
    deadline = time.monotonic() + hosts.SECONDS_TO_COME
    while True:
        try:
            return socket.create_connection((place.host, place.port), timeout=10)
        except OSError as error:
            if time.monotonic() > deadline:
                raise UserError(
                    f"no process 0 at {place.address} ({error}) in {hosts.SECONDS_TO_COME:.0f} "
                    "seconds; start the same command there"
                ) from error
        time.sleep(0.5)


@contextmanager
def _signals(connection: Connection) -> Iterator[None]:
    """Tells process 0 of SIGTERM and Ctrl-C, which then stops everybody."""

    def tell(number: int, _frame: object) -> None:
        connection.send(said="stopped", signal=signal.Signals(number).name)

    before = {n: signal.signal(n, tell) for n in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _start(message: Message, place: Place, root: Path, connection: Connection) -> LocalProcess:
    def tell(process: Process, line: str | None) -> None:
        if line is None:
            last = list(process.last_lines)
            connection.send(said="ended", code=process.returncode, last=last)

    own = Place(message["address"], place.count, place.index)
    environment = environment_for(message["one_thread"], own)
    log = root / message["log"]
    return LocalProcess(message["words"], root, log, environment, tell)


def _stop(child: LocalProcess | None) -> None:
    if child is not None and child.returncode is None:
        child.kill()
        child.wait(SECONDS_TO_SAVE)


def _finish(message: Message) -> None:
    if message["code"]:
        raise error_with(message["code"], f"process 0: {message['message']}")
