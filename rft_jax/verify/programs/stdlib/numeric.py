"""Fractions and decimals, made within bounds."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction

from rft_jax.verify.programs.limits import Meter, ProgramError
from rft_jax.verify.programs.operators import check_number, guarded
from rft_jax.verify.programs.values import NUMBERS, Value, type_name

_EXPONENT = re.compile(r"[eE]([-+]?[\d_]+)")


def to_fraction(meter: Meter, numerator: Value, denominator: Value = None) -> Fraction:
    """`Fraction(numerator, denominator)`."""
    for value in (numerator, denominator):
        if type(value) is str and value is numerator and denominator is None:
            _check_text(meter, value)
        elif type(value) is Decimal:
            _check_decimal(meter, value)
        elif value is not None and type(value) not in NUMBERS:
            raise ProgramError("type", f"Fraction() of a {type_name(value)}")
    made = (
        guarded(Fraction, numerator)
        if denominator is None
        else guarded(Fraction, numerator, denominator)
    )
    return check_number(meter, made)


def to_decimal(meter: Meter, value: Value) -> Decimal:
    """`Decimal(value)`."""
    if type(value) is str:
        meter.need_bits(int(3.33 * len(value)))
    elif type(value) not in NUMBERS or type(value) is Fraction:
        raise ProgramError(
            "type", f"conversion from {type_name(value)} to Decimal is not supported"
        )
    return guarded(Decimal, value)


def _check_text(meter: Meter, text: str) -> None:
    exponent = _EXPONENT.search(text)
    power = 10**9 * bool(exponent)
    if exponent and len(exponent[1]) < 10:
        power = abs(guarded(int, exponent[1]))
    meter.need_bits(int(3.33 * (len(text) + power)))


def _check_decimal(meter: Meter, value: Decimal) -> None:
    if value.is_finite():
        meter.need_bits(int(3.33 * (abs(value.adjusted()) + 30)))
