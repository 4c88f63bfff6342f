"""Exact values: how they are written, and the one rounding of an answer.

A value is an int where it is whole, else a Fraction. It is written as a decimal where that ends,
else as a fraction in lowest terms and in brackets, `(10/3)`. So every form of an expression is
exactly equal to the one before. The answer alone is rounded: to PLACES decimals, halves away from
zero, without zeros at the end.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

Value = int | Fraction

PLACES = 2
"""Decimals of an answer."""


def apply(sign: str, left: Value, right: Value) -> Value:
    """The exact result of one operation.

    Raises:
      ZeroDivisionError: division by zero.
    """
    if sign == "+":
        return simplified(left + right)
    if sign == "-":
        return simplified(left - right)
    if sign == "*":
        return simplified(left * right)
    return simplified(Fraction(left, right))


def simplified(value: Value) -> Value:
    """The value as an int where it is whole."""
    return value.numerator if value.denominator == 1 else value


def spell(value: Value) -> str:
    """The value, exactly: a whole number, a decimal, or a fraction in brackets."""
    if isinstance(value, int):
        return str(value)
    places = _places(value.denominator)
    if places is None:
        return f"({value.numerator}/{value.denominator})"
    return _decimal(value.numerator * 10**places // value.denominator, places)


def rounded(value: Value, places: int = PLACES) -> Fraction:
    """The nearest value with so many decimals; of two, the one further from zero."""
    above, below = abs(value.numerator) * 10**places, value.denominator
    units = (2 * above + below) // (2 * below)
    return Fraction(units if value >= 0 else -units, 10**places)


def spell_answer(value: Value) -> str:
    """The value as an answer is written: rounded to PLACES decimals."""
    return spell(simplified(rounded(value)))


@lru_cache(maxsize=1024)
def _places(denominator: int) -> int | None:
    """Decimals of a reduced fraction with this denominator; None where they never end."""
    twos = (denominator & -denominator).bit_length() - 1
    rest, fives = denominator >> twos, 0
    while rest > 1:
        rest, left = divmod(rest, 5)
        if left:
            return None
        fives += 1
    return max(twos, fives)


def _decimal(units: int, places: int) -> str:
    digits = str(abs(units)).rjust(places + 1, "0")
    return f"{'-' if units < 0 else ''}{digits[:-places]}.{digits[-places:]}"
