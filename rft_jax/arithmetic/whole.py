"""Expressions in which every value, also every intermediate one, is a whole number in bounds."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from rft_jax.errors import UserError

_OPERATORS = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.floordiv}
PRECEDENCE = {"+": 1, "-": 1, "*": 2, "/": 2}
_BOTH_SIDES = 0.4  # chance that of three operations the last works on the results of the others
_RESULT_FIRST = 0.6  # chance that a further operand stands behind a result, not before it
_SMALL_DIVISOR = 0.8
_LARGEST_FACTOR = 9
MOST_ATTEMPTS = 1_000_000
"""Attempts at one expression, half a minute; one of 25 operations takes about 400."""


class OutOfBounds(Exception):
    """A value is too small, too large or not a whole number."""


def between(rng: Random, low: int, high: int) -> int:
    """A uniform draw from low..high, both inclusive; `low` if the range is empty."""
    return low + int(rng.random() * (high - low + 1)) if high > low else low


def apply_whole(sign: str, left: int, right: int, smallest: int, largest: int) -> int:
    """The result of one operation.

    Raises:
      OutOfBounds: it is not a whole number from `smallest` to `largest`.
    """
    value = _OPERATORS[sign](left, right)
    if not smallest <= value <= largest or (sign == "/" and value * right != left):
        raise OutOfBounds
    return value


class Whole(NamedTuple):
    """An expression, its value, and the precedence of its last operation."""

    text: str
    value: int
    precedence: int

    def side(self, bare_from: int) -> str:
        """The text as an operand: in brackets below this precedence."""
        return self.text if self.precedence >= bare_from else f"({self.text})"


@dataclass(frozen=True)
class WholeNumbers:
    """Draws expressions whose every value lies in bounds.

    Attributes:
      rng: where the draws come from.
      sign: draws the sign of an operation.
      smallest: the lower bound of every value, at least 1.
      largest: the upper bound of every value.
    """

    rng: Random
    sign: Callable[[], str]
    smallest: int
    largest: int

    def draw(self, operations: Callable[[], int]) -> Whole:
        """An expression of as many operations as `operations` draws, before every attempt.

        Raises:
          UserError: none was found in `MOST_ATTEMPTS`.
        """
        for _ in range(MOST_ATTEMPTS):
            try:
                return self._draw(operations())
            except OutOfBounds:
                continue
        raise UserError(
            f"in {MOST_ATTEMPTS:,} attempts no expression was found whose every value is a whole "
            f"number from {self.smallest} to {self.largest}; ask for fewer operations "
            "(arithmetic.operations, .beyond), a higher arithmetic.largest, or arithmetic.whole = 0"
        )

    def _draw(self, operations: int) -> Whole:
        sign, rng = self.sign(), self.rng
        if operations == 1:
            left, right = self._operands(sign)
            return self._joined(sign, _number(left), _number(right))
        if operations == 3 and rng.random() < _BOTH_SIDES:
            return self._joined(sign, self._draw(1), self._draw(1))
        inner = self._draw(operations - 1)
        if rng.random() < _RESULT_FIRST:
            return self._joined(sign, inner, _number(self._right_of(sign, inner.value)))
        return self._joined(sign, _number(self._left_of(sign, inner.value)), inner)

    def _joined(self, sign: str, left: Whole, right: Whole) -> Whole:
        value = apply_whole(sign, left.value, right.value, self.smallest, self.largest)
        rank = PRECEDENCE[sign]
        return Whole(f"{left.side(rank)}{sign}{right.side(rank + 1)}", value, rank)

    def _operands(self, sign: str) -> tuple[int, int]:
        """Two operands whose result is in bounds."""
        rng, smallest, largest = self.rng, self.smallest, self.largest
        if sign == "+":
            total = between(rng, 2 * smallest, largest)
            left = between(rng, smallest, total - smallest)
            return left, total - left
        if sign == "-":
            left = between(rng, 2 * smallest, largest)
            return left, between(rng, smallest, left - smallest)
        small = between(rng, smallest, _LARGEST_FACTOR)
        large = between(rng, smallest, largest // small)
        if sign == "/":
            if small * large > largest:
                raise OutOfBounds
            return small * large, small if rng.random() < _SMALL_DIVISOR else large
        return (small, large) if rng.random() < 0.5 else (large, small)

    def _right_of(self, sign: str, left: int) -> int:
        """A right operand for a given left one."""
        rng, smallest, largest = self.rng, self.smallest, self.largest
        if sign == "+":
            return between(rng, smallest, largest - left)
        if sign == "-":
            return between(rng, smallest, left - smallest)
        if sign == "*":
            return between(rng, smallest, min(_LARGEST_FACTOR, largest // left))
        possible = range(smallest, _LARGEST_FACTOR + 1)
        divisors = [n for n in possible if left % n == 0 and left // n >= smallest]
        if not divisors:
            raise OutOfBounds
        return rng.choice(divisors)

    def _left_of(self, sign: str, right: int) -> int:
        """A left operand for a given right one."""
        if sign in "+*":
            return self._right_of(sign, right)
        if sign == "-":
            left = between(self.rng, right + self.smallest, self.largest)
        else:
            left = right * between(self.rng, self.smallest, self.largest // right)
        if left > self.largest:
            raise OutOfBounds
        return left


def _number(value: int) -> Whole:
    return Whole(str(value), value, max(PRECEDENCE.values()) + 1)
