"""Starts a sandbox, and reads what comes back: a bounded text, by a deadline."""

from __future__ import annotations

import os
import selectors
import shutil
import subprocess
import tempfile
import time
from contextlib import suppress
from typing import IO, NamedTuple

from rft_jax.verify.sandbox.command import sandbox_command
from rft_jax.verify.sandbox.faults import SandboxFault
from rft_jax.verify.sandbox.launcher import READY
from rft_jax.verify.sandbox.limits import SandboxLimits
from rft_jax.verify.sandbox.system_calls import denied_calls

_ERRORS = 16_384  # bytes of stderr that are kept, the last ones
_ALL_ERRORS = 1 << 20  # bytes of stderr that are read; a program that writes more is ended
_BYTES_PER_CHARACTER = 4


class Ended(NamedTuple):
    """How a program's process ended.

    Attributes:
      output: bytes printed, at most a few more than the limit allows.
      errors: the last bytes on stderr.
      status: exit status as a shell has it, 128 and more for signals.
      spent: the limit for which it was ended from outside; '' for none.
    """

    output: bytes
    errors: bytes
    status: int
    spent: str


def find_bwrap() -> str:
    """The path of bubblewrap.

    Raises:
      SandboxFault: it is not installed.
    """
    path = shutil.which("bwrap")
    if path is None:
        raise SandboxFault("bubblewrap (bwrap) is not installed")
    return path


def execute(source: str, limits: SandboxLimits) -> Ended:
    """Executes a program in a sandbox of its own, which ends with it.

    Raises:
      SandboxFault: it did not start, or was killed by someone else.
    """
    with tempfile.TemporaryFile() as given, _readable(denied_calls()) as calls:
        given.write(source.encode("utf-8", "surrogatepass"))
        given.seek(0)
        process = subprocess.Popen(
            sandbox_command(find_bwrap(), limits, calls.fileno()),
            stdin=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=(calls.fileno(),),
            env={},
            cwd="/",
            start_new_session=True,  # Ctrl-C is for the command
        )
        try:
            ended = _read(process, limits)
        finally:
            process.kill()
            for stream in (process.stdout, process.stderr):
                assert stream is not None
                stream.close()
            process.wait()
    if not ended.output.startswith(READY) or (ended.status < 0 and not ended.spent):
        said = ended.errors.decode("utf-8", "replace").strip().splitlines()
        other = f"bubblewrap ended with status {ended.status}"
        took = ended.spent and f"it took more than {ended.spent} to start"
        raise SandboxFault(took or (said[-1] if said else other))
    return ended._replace(output=ended.output.removeprefix(READY))


def _readable(content: bytes) -> IO[bytes]:
    """A pipe that has a few bytes, to read."""
    reading, writing = os.pipe()
    with open(writing, "wb") as file:
        file.write(content)
    return open(reading, "rb")


def _read(process: subprocess.Popen[bytes], limits: SandboxLimits) -> Ended:
    """Reads both pipes until they are closed or a limit is spent."""
    deadline = time.monotonic() + limits.seconds
    too_long = f"{limits.seconds} seconds"
    output, errors, dropped = bytearray(), bytearray(), 0
    with selectors.DefaultSelector() as selector:
        selector.register(_pipe(process.stdout), selectors.EVENT_READ, output)
        selector.register(_pipe(process.stderr), selectors.EVENT_READ, errors)
        while selector.get_map():
            left = deadline - time.monotonic()
            if left <= 0:
                return Ended(bytes(output), bytes(errors), -1, too_long)
            for key, _ in selector.select(left):
                part = os.read(key.fd, 1 << 16)
                key.data.extend(part)
                if not part:
                    selector.unregister(key.fileobj)
            dropped += max(0, len(errors) - _ERRORS)
            del errors[:-_ERRORS]
            if dropped > _ALL_ERRORS:
                return Ended(bytes(output), bytes(errors), -1, f"{_ALL_ERRORS:,} bytes of errors")
            if len(output) > limits.output * _BYTES_PER_CHARACTER + len(READY):
                return Ended(bytes(output), bytes(errors), -1, f"{limits.output:,} characters")
    with suppress(subprocess.TimeoutExpired):  # it closed its pipes, and continues
        process.wait(max(0.0, deadline - time.monotonic()))
    status = process.returncode
    return Ended(
        bytes(output), bytes(errors), *((-1, too_long) if status is None else (status, ""))
    )


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None
    return stream
