"""What child processes run in the tests; imports little, so that they start at once."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from rft_jax.errors import UserError


def make_slow_square(slow: int) -> Callable[[int], int]:
    """Answers the multiples of `slow` late."""

    def square(number: int) -> int:
        if number % slow == 0:
            time.sleep(0.02)
        return number**2

    return square


def make_fragile(parent: int) -> Callable[[int], int]:
    """Dies in any process but the parent."""

    def answer(number: int) -> int:
        if os.getpid() != parent:
            raise RuntimeError("fragile")
        return number

    return answer


def make_large(size: int) -> Callable[[int], bytes]:
    """Answers that no pipe holds."""
    return lambda number: bytes([number]) * size


def make_refusing(first: int) -> Callable[[int], int]:
    """Refuses the numbers from `first` on."""

    def answer(number: int) -> int:
        if number >= first:
            raise UserError(f"{number} is refused")
        return number

    return answer
