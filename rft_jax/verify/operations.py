"""Which operations a path executes, whether its equations or its program say so."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache

from rft_jax.verify.expressions import MAX_CHARS, PythonNumber, exact_postfix, python_number
from rft_jax.verify.programs.trace import spell

_CACHED_CHARS = 200  # longest equation that is cached, so that the cache is bounded
_COMMUTES = ("+", "*")


def operations(equation: str) -> tuple[str, ...]:
    """The operations of an equation with the values they work on, sides without any left out.

    `2+3*4=14` has `3*4` and `2+12`, whose operands are in one order, as those of every sum and
    product. An equation that cannot be read, or calculates nothing, stands for itself.

    Values are those that Python computes, written as the equations of a program write them: so a
    text has the operations of the program that writes the same expression, to the last digit.
    """
    short = len(equation) <= _CACHED_CHARS
    return _cached_operations(equation) if short else _operations(equation)


def _operations(equation: str) -> tuple[str, ...]:
    found: list[str] = []

    def visit(sign: str, left: PythonNumber, right: PythonNumber) -> None:
        operands = [_operand(left), _operand(right)]
        found.append(sign.join(sorted(operands) if sign in _COMMUTES else operands))

    if len(equation) > MAX_CHARS:
        return (equation,)
    try:
        for side in equation.split("="):
            python_number(exact_postfix(side), visit)
    except (ValueError, ArithmeticError):
        return (equation,)
    return tuple(found) or (equation,)


_cached_operations = lru_cache(maxsize=100_000)(_operations)


def _operand(value: PythonNumber) -> str:
    """A number as programs' equations write it, but in full where it is whole.

    Raises:
      ArithmeticError: it is complex, infinite or not a number.
      ValueError: it has more digits than Python converts.
    """
    if isinstance(value, complex):
        raise ArithmeticError("a complex number")
    text = spell(value)
    number = Decimal(text)
    if not number.is_finite():
        raise ArithmeticError(f"{text} in a calculation")
    return str(int(number)) if number == number.to_integral_value() else text
