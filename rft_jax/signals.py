"""SIGTERM, which clusters send before they take a machine away, and Ctrl-C: save and stop."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from rft_jax.errors import Preempted


def stop_on_signals() -> None:
    """From now on SIGTERM raises `Preempted`; Ctrl-C does too, and the second one stops at once."""
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _interrupt)


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    raise Preempted(f"stopped by {signal.Signals(number).name}")


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def sigterm_flag() -> Iterator[Callable[[], bool]]:
    """Within the block SIGTERM sets a flag and does not end the process.

    Yields:
      A function that says whether the signal has arrived.
    """
    arrived = False

    def remember(_number: int, _frame: FrameType | None) -> None:
        nonlocal arrived
        arrived = True

    before = signal.signal(signal.SIGTERM, remember)
    try:
        yield lambda: arrived
    finally:
        signal.signal(signal.SIGTERM, before)
