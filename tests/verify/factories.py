"""What child processes run in the tests; imports little, so that they start at once."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any


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


def make_echo() -> Callable[[bytes], bytes]:
    """In the child: gives back what it got."""
    return lambda data: data
