"""What child processes run in the tests; imports little, so that they start at once."""

from __future__ import annotations

import time
from collections.abc import Callable


def make_slow_square(slow: int) -> Callable[[int], int]:
    """Answers the multiples of `slow` late."""

    def square(number: int) -> int:
        if number % slow == 0:
            time.sleep(0.02)
        return number**2

    return square


def make_fragile() -> Callable[[int], int]:
    """Dies at 7."""

    def answer(number: int) -> int:
        if number == 7:
            raise RuntimeError("7")
        return number

    return answer
