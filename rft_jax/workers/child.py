"""A child process that answers requests: bounded by deadlines from outside, gone with its parent.

The child is a Python process of its own, so it imports what it needs and nothing of the caller's
main module or working directory, and it shares no memory, lock or thread with the caller. Requests
are pickles, replies JSON unless the caller says otherwise, each with its length in front, over the
child's stdin and stdout: reading a reply runs nothing, whatever happened to the child. A thread in
the child reads ahead and ends the process when the pipe closes: a parent that was killed leaves
nothing behind, even while the child computes.
"""

from __future__ import annotations

import fcntl
import json
import os
import pickle
import queue
import select
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pkgutil import resolve_name
from typing import IO, Any, NamedTuple

from rft_jax.workers.start import python_command

_LENGTH = struct.Struct("<Q")
_PIPE_BYTES = 1 << 20


class _Format(NamedTuple):
    dumps: Callable[[Any], bytes]
    loads: Callable[[bytes], Any]


_FORMATS = {
    "json": _Format(lambda value: json.dumps(value).encode(), json.loads),
    "pickle": _Format(lambda value: pickle.dumps(value, pickle.HIGHEST_PROTOCOL), pickle.loads),
}


class ChildDiedError(RuntimeError):
    """The child ended, or was killed, before it answered."""


class Child:
    """A running child process.

    Args:
      factory: `module:function`; called in the child with `arguments`, returns the function that
        answers requests.
      arguments: of the factory; must pickle.
      replies: format of the replies: `json`, or `pickle` where the child handles nothing that
        could corrupt it.
    """

    def __init__(self, factory: str, *arguments: Any, replies: str = "json") -> None:
        self._loads = _FORMATS[replies].loads
        self._process = subprocess.Popen(
            [*python_command(f"{__name__}:main"), factory, replies],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._widen_pipes()
        self.send(arguments)

    def _widen_pipes(self) -> None:
        """Makes room for what waits, so that neither side does; pipes hold 64 KiB otherwise."""
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            with suppress(OSError):  # the system has a limit for all pipes of a user
                for stream in (self._process.stdin, self._process.stdout):
                    fcntl.fcntl(stream, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)  # type: ignore[arg-type]

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def fileno(self) -> int:
        """Readable when an answer has begun to arrive, or when the child is gone."""
        return self._stdout.fileno()

    @property
    def _stdout(self) -> IO[bytes]:
        assert self._process.stdout is not None
        return self._process.stdout

    def send(self, request: Any) -> None:
        """Hands a request over; the child reads ahead, so this never waits for its work.

        Raises:
          ChildDiedError: it is gone.
        """
        assert self._process.stdin is not None
        try:
            _write(self._process.stdin, _FORMATS["pickle"].dumps(request))
        except BrokenPipeError as error:
            raise ChildDiedError(f"exit code {self.close()}") from error

    def receive(self, timeout: float | None = None) -> Any:
        """The next answer.

        Raises:
          TimeoutError: none came within `timeout` seconds; the child has been killed.
          ChildDiedError: it is gone, or wrote something else than a reply and has been killed.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        try:
            return self._loads(self._read_frame(deadline))
        except TimeoutError:
            self.close()
            raise
        except ValueError as error:
            self.close()
            raise ChildDiedError("its reply is not readable") from error

    def _read_frame(self, deadline: float | None) -> bytes:
        (length,) = _LENGTH.unpack(self._read(_LENGTH.size, deadline))
        return self._read(length, deadline)

    def _read(self, size: int, deadline: float | None) -> bytes:
        parts = []
        while size:
            if deadline is not None:
                left = deadline - time.monotonic()
                if left <= 0 or not select.select([self._stdout], [], [], left)[0]:
                    raise TimeoutError("the child did not answer in time")
            part = os.read(self._stdout.fileno(), min(size, 1 << 20))
            if not part:
                raise ChildDiedError(f"exit code {self.close()}")
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def close(self) -> int:
        """Kills the child, if it still runs, and returns its exit code."""
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):  # what was buffered for a child that is gone
                    stream.close()
        return self._process.wait()


def _write(stream: IO[bytes], data: bytes) -> None:
    stream.write(_LENGTH.pack(len(data)))
    stream.write(data)
    stream.flush()


def _read_requests(stream: IO[bytes], requests: queue.SimpleQueue) -> None:
    """Reads ahead until the parent closes the pipe, then ends the process at once."""
    while True:
        header = stream.read(_LENGTH.size)
        if len(header) < _LENGTH.size:
            os._exit(0)
        data = stream.read(_LENGTH.unpack(header)[0])
        requests.put(data)


def main() -> None:
    """In the child: answers requests until the parent is gone."""
    factory, replies = sys.argv[1:]
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C means
    # Answers go out on a descriptor of their own, so that nothing a library prints can mix in.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    requests: queue.SimpleQueue = queue.SimpleQueue()
    threading.Thread(target=_read_requests, args=(sys.stdin.buffer, requests), daemon=True).start()
    answer = resolve_name(factory)(*pickle.loads(requests.get()))
    while True:
        reply = _FORMATS[replies].dumps(answer(pickle.loads(requests.get())))
        try:
            _write(answers, reply)
        except BrokenPipeError:
            os._exit(0)
