"""Arithmetic drill for pretraining: equations as the solutions write them."""

from __future__ import annotations

from rft_jax.wordproblems.cast import SMALLEST, StoryRandom, between
from rft_jax.wordproblems.walks import Operand, Operation, OutOfBounds, expression

OPERATION_COUNTS = (*(1,) * 15, *(2,) * 4, 3)
"""Operations of one equation: mostly one, with several slightly more often than in solutions."""
SYMBOLS = ("+", "+", "+", "-", "-", "-", "*", "*", "*", "/", "/")


def drill(rng: StoryRandom) -> tuple[str, str]:
    """One equation up to its `=`, and its result with the closing sign: `<<12+7=`, `19>>`."""
    while True:
        try:
            operation = _draw(rng, rng.choice(OPERATION_COUNTS))
        except OutOfBounds:
            continue
        return f"<<{expression(operation)}=", f"{operation.value}>>"


def _draw(rng: StoryRandom, operations: int) -> Operation:
    """A nested operation of `operations` operations; all but the outermost are inline.

    Raises:
      OutOfBounds: a value is too small, too large or not an integer.
    """
    symbol = rng.choice(SYMBOLS)
    if operations == 1:
        left, right = _operands(rng, symbol)
        return Operation(symbol, left, right, rng.largest)
    if operations == 3 and rng.random() < 0.4:
        return Operation(symbol, _inline(rng, 1), _inline(rng, 1), rng.largest)
    inner = _inline(rng, operations - 1)
    if rng.random() < 0.6:
        return Operation(symbol, inner, _partner(rng, symbol, inner.value), rng.largest)
    return Operation(symbol, _before(rng, symbol, inner.value), inner, rng.largest)


def _inline(rng: StoryRandom, operations: int) -> Operation:
    operation = _draw(rng, operations)
    operation.is_inline = True
    return operation


def _operands(rng: StoryRandom, symbol: str) -> tuple[Operand, Operand]:
    """Two operands whose result is in bounds."""
    if symbol == "+":
        total = between(rng, 2 * SMALLEST, rng.largest)
        left = between(rng, SMALLEST, total - SMALLEST)
        return left, total - left
    if symbol == "-":
        left = between(rng, 2 * SMALLEST, rng.largest)
        return left, between(rng, SMALLEST, left - SMALLEST)
    small = between(rng, SMALLEST, 9)
    large = between(rng, SMALLEST, rng.largest // small)
    if symbol == "/":
        return small * large, small if rng.random() < 0.8 else large
    return (small, large) if rng.random() < 0.5 else (large, small)


def _partner(rng: StoryRandom, symbol: str, left: int) -> int:
    """A right operand for a given left one."""
    if symbol == "+":
        return between(rng, SMALLEST, rng.largest - left)
    if symbol == "-":
        return between(rng, SMALLEST, left - SMALLEST)
    if symbol == "*":
        return between(rng, SMALLEST, min(9, rng.largest // left))
    divisors = [n for n in range(SMALLEST, 10) if left % n == 0 and left // n >= SMALLEST]
    if not divisors:
        raise OutOfBounds
    return rng.choice(divisors)


def _before(rng: StoryRandom, symbol: str, right: int) -> int:
    """A left operand for a given right one."""
    if symbol in "+*":
        return _partner(rng, symbol, right)
    if symbol == "-":
        left = between(rng, right + SMALLEST, rng.largest)
    else:
        left = right * between(rng, SMALLEST, rng.largest // right)
    if left > rng.largest:
        raise OutOfBounds
    return left
