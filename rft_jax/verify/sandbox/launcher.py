"""Runs in the sandbox, before and around the program: sets limits, then executes what stdin has.

It is a file of its own that imports nothing of this package: the sandbox has the standard library,
numpy and sympy. Its arguments are the limits as JSON, by the names of `run.SandboxLimits`, and the
id of the user to become, 0 for no change.

The first byte on stdout, READY, says that the limits hold; all that follows is the program's.
"""

from __future__ import annotations

import io
import json
import os
import resource
import signal
import site
import sys
from types import CodeType
from typing import Any

READY = b"\x06"
SOURCE = "<program>"
_ENTRY = "solution"  # as in `programs.run`: its value is printed where nothing else is


class _Counted(io.FileIO):
    """Stdout that knows whether anything was written."""

    written = 0

    def write(self, data: Any, /) -> int:
        self.written += len(data)
        return super().write(data)


def _limit(limits: dict[str, int]) -> None:
    """Puts the limits on this process, which cannot lift them."""
    bounds = {
        resource.RLIMIT_AS: limits["memory_bytes"],
        resource.RLIMIT_FSIZE: limits["file_bytes"],
        resource.RLIMIT_NOFILE: limits["open_files"],
        resource.RLIMIT_NPROC: 1,  # no other process and no thread
        resource.RLIMIT_CORE: 0,
    }
    for kind, bound in bounds.items():
        resource.setrlimit(kind, (bound, bound))
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime) + limits["cpu_seconds"]
    # SIGXCPU first, which tells it from other ends; a second later SIGKILL, which none can ignore.
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # an error of the program, as in Python


def _become(user: int) -> None:
    """Another user, whose processes are limited; the limits don't bind root."""
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)


def _read_source() -> bytes:
    """All of stdin, which is empty from then on."""
    source = sys.stdin.buffer.read()
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115  the program's
    return source


def _compiled(source: bytes) -> CodeType:
    try:
        return compile(source.decode("utf-8"), SOURCE, "exec", dont_inherit=True)
    except ValueError as error:  # NUL, lone surrogates
        raise SyntaxError(str(error)) from None


def _prints_value(entry: Any) -> bool:
    """Whether `solution` is a function that needs no argument."""
    code = getattr(entry, "__code__", None)
    return code is not None and code.co_argcount == len(entry.__defaults__ or ())


def main() -> None:
    """Executes the program, and prints the value of its `solution` where it prints nothing."""
    limits, user = json.loads(sys.argv[1]), int(sys.argv[2])
    source = _read_source()
    site.setquit()
    sys.path[:] = [*sys.path, "/packages"]
    sys.argv[:] = ["program.py"]
    if user:
        _become(user)
    _limit(limits)
    os.write(1, READY)
    raw = _Counted(1, "wb", closefd=False)
    sys.stdout = io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8")
    names: dict[str, Any] = {"__name__": "__main__", "__builtins__": __builtins__}
    exec(_compiled(source), names)  # noqa: S102  what the sandbox is for
    sys.stdout.flush()
    if not raw.written and _prints_value(names.get(_ENTRY)):
        value = names[_ENTRY]()
        if value is not None:
            print(value)


if __name__ == "__main__":
    main()
