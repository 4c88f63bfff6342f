"""The operations that a program executed, written as equations."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction

from rft_jax.verify.programs.limits import Operation
from rft_jax.verify.programs.values import Value

_DIGITS = 12  # of a number that is not whole, or too long to be written out
_LONGEST_BITS = 128


def as_equations(operations: Iterable[Operation]) -> list[str]:
    """Operations as the equations that a text would have: `48/2=24`."""
    return [
        f"{_operand(left)}{sign}{_operand(right)}={spell(value)}"
        for sign, left, right, value in operations
    ]


def _operand(value: Value) -> str:
    text = spell(value)
    return f"({text})" if text[0] == "-" or "/" in text else text


def spell(value: Value) -> str:
    """A number; floats without what their rounding leaves in the last digits."""
    if isinstance(value, int):
        return str(int(value)) if value.bit_length() <= _LONGEST_BITS else spell(Decimal(value))
    if isinstance(value, Fraction):
        above, below = spell(value.numerator), spell(value.denominator)
        return above if value.denominator == 1 else f"{above}/{below}"
    return f"{value:.{_DIGITS}g}"
