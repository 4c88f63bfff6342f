"""What child processes run in the tests; imports little, so that they start at once."""

from __future__ import annotations

import os
import pickle
import struct
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import rft_jax


def make_adder(number: int) -> Callable[[int], int]:
    """In the child: adds a number; prints, hangs or dies on demand."""

    def add(request: Any) -> Any:
        if request == "print":
            print("this must not reach the answers")
            os.write(1, b"nor this")
        elif request == "hang":
            time.sleep(1000)
        elif request == "die":
            os._exit(3)
        elif request == "pid":
            return os.getpid()
        else:
            return request + number
        return None

    return add


def make_nothing() -> Callable[[Any], Any]:
    """In the child: fails to start."""
    raise RuntimeError("can't start")


def make_echo() -> Callable[[Any], Any]:
    """In the child: gives back what it got."""
    return lambda data: data


class Hostile:
    """Runs something when a pickle of it is read."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("a-pickle-was-read",)


def make_impostor() -> Callable[[Any], Any]:
    """In the child: writes a reply of its own making onto the pipe, as corrupted code could."""

    def answer(_: Any) -> Any:
        data = pickle.dumps(Hostile())
        frame = struct.pack("<Q", len(data)) + data
        for descriptor in range(3, 20):
            with suppress(OSError):
                os.write(descriptor, frame)
        time.sleep(1000)

    return answer


def show_path() -> None:
    """In a new process: prints where the package lies and where modules are looked for."""
    print(rft_jax.__file__, *sys.path, sep="\n")
