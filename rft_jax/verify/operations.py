"""Which operations a path executes, whether its equations or its program say so."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

from rft_jax.verify.expressions import MAX_CHARS, exact_postfix, exact_value

_CACHED_CHARS = 200  # longest equation that is cached, so that the cache is bounded
_COMMUTES = ("+", "*")
_DIGITS = 10  # of a number that is not whole: fewer than a program's floats are rounded to


def operations(equation: str) -> tuple[str, ...]:
    """The operations of an equation with the values they work on, sides without any left out.

    `2+3*4=14` has `3*4` and `2+12`, whose operands are in one order, as those of every sum and
    product. An equation that cannot be read, or calculates nothing, stands for itself.
    """
    short = len(equation) <= _CACHED_CHARS
    return _cached_operations(equation) if short else _operations(equation)


def _operations(equation: str) -> tuple[str, ...]:
    found: list[str] = []

    def visit(sign: str, left: Fraction, right: Fraction) -> None:
        operands = [_spell(left), _spell(right)]
        found.append(sign.join(sorted(operands) if sign in _COMMUTES else operands))

    if len(equation) > MAX_CHARS:
        return (equation,)
    try:
        for side in equation.split("="):
            exact_value(exact_postfix(side), visit)
    except (ValueError, ArithmeticError):
        return (equation,)
    return tuple(found) or (equation,)


_cached_operations = lru_cache(maxsize=100_000)(_operations)


def _spell(value: Fraction) -> str:
    if value.denominator == 1:
        return str(value.numerator)
    try:
        return f"{float(value):.{_DIGITS}g}"
    except OverflowError:
        return str(value)
