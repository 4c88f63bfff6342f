"""SIGTERM and Ctrl-C end a command with `Preempted`, or set a flag."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from rft_jax.errors import Preempted
from rft_jax.signals import sigterm_flag, stop_on_signals


@pytest.fixture(autouse=True)
def keep_handlers() -> Iterator[None]:
    before = {n: signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_either_signal_raises_preempted(number: int) -> None:
    with stop_on_signals(), pytest.raises(Preempted, match="stopped by SIGTERM"):
        os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_after_the_block_a_signal_is_for_the_handler_of_before(number: int) -> None:
    arrived: list[int] = []
    signal.signal(number, lambda number, _frame: arrived.append(number))
    with stop_on_signals(), pytest.raises(Preempted):
        os.kill(os.getpid(), number)
    os.kill(os.getpid(), number)
    assert arrived == [number]


def test_the_second_ctrl_c_stops_at_once() -> None:
    with stop_on_signals(), sigterm_flag() as arrived:
        os.kill(os.getpid(), signal.SIGINT)
        assert arrived()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_within_the_block_sigterm_sets_the_flag_alone() -> None:
    with stop_on_signals():
        with sigterm_flag() as arrived:
            assert not arrived()
            os.kill(os.getpid(), signal.SIGTERM)
            assert arrived()
        with pytest.raises(Preempted):
            os.kill(os.getpid(), signal.SIGTERM)
