"""SIGTERM, which clusters send before they take a machine away, and Ctrl-C: save and stop."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from rft_jax.errors import Preempted


@contextmanager
def stop_on_signals() -> Iterator[None]:
    """Within the block SIGTERM and Ctrl-C raise `Preempted`; the second Ctrl-C stops at once.

    After it the handlers are those of before: a signal while Python exits has nothing to save, and
    an exception there would be a traceback behind the command's last message.
    """
    handlers = {signal.SIGTERM: _stop, signal.SIGINT: _interrupt}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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
