"""Operators on a program's values: Python's own, after a look at what they would make."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

from rft_jax.verify.programs.limits import (
    PYTHON_ERRORS,
    Meter,
    ProgramError,
    Unsupported,
    as_program_error,
)
from rft_jax.verify.programs.values import NUMBERS, Value, length, type_name, weigh

_BINARY: dict[type, tuple[str, Callable[[Any, Any], Any]]] = {
    ast.Add: ("+", operator.add),
    ast.Sub: ("-", operator.sub),
    ast.Mult: ("*", operator.mul),
    ast.Div: ("/", operator.truediv),
    ast.FloorDiv: ("//", operator.floordiv),
    ast.Mod: ("%", operator.mod),
    ast.Pow: ("**", operator.pow),
    ast.LShift: ("<<", operator.lshift),
    ast.RShift: (">>", operator.rshift),
    ast.BitAnd: ("&", operator.and_),
    ast.BitOr: ("|", operator.or_),
    ast.BitXor: ("^", operator.xor),
}
_UNARY: dict[type, Callable[[Any], Any]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
    ast.Invert: operator.invert,
}
_COMPARISONS: dict[type, Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.In: lambda item, items: item in items,
    ast.NotIn: lambda item, items: item not in items,
}
_SEQUENCES = (str, list, tuple)
_WHOLE = (int, bool)


def guarded(function: Callable[..., Value], *arguments: Value) -> Value:
    """Calls one of Python's functions; what it raises is the program's mistake.

    Raises:
      ProgramError: with the kind of the error.
    """
    try:
        return function(*arguments)
    except PYTHON_ERRORS as error:
        raise as_program_error(error) from None


def check_number(meter: Meter, value: Value) -> Value:
    """The value; counts the bits of whole numbers and fractions.

    Raises:
      Unsupported: it is complex, as the square root of a negative number by `**` is.
    """
    kind = type(value)
    if kind is int:
        if value.bit_length() > 64:
            meter.need_bits(value.bit_length())
    elif kind is Fraction:
        meter.need_bits(max(value.numerator.bit_length(), value.denominator.bit_length()))
    elif kind is complex:
        raise Unsupported("complex numbers")
    return value


def apply_binary(meter: Meter, kind: type, left: Value, right: Value) -> Value:
    """`left + right` and its kind."""
    name, function = _BINARY.get(kind, ("@", None))
    if function is None:
        raise Unsupported("the operator @")
    if type(left) in NUMBERS and type(right) in NUMBERS:
        if kind is ast.Pow:
            _check_power(meter, left, right)
        elif kind is ast.LShift and type(left) in _WHOLE and type(right) in _WHOLE and right > 0:
            meter.need_bits(left.bit_length() + right if left else 0)
        try:
            value = function(left, right)
        except PYTHON_ERRORS as error:
            raise as_program_error(error) from None
        if type(value) is not float:
            check_number(meter, value)
        meter.record(name, left, right, value)
        return value
    if type(left) is str and kind is ast.Mod:
        raise Unsupported("formatting by %")
    _check_collections(meter, name, left, right)
    return guarded(function, left, right)


def _check_power(meter: Meter, base: Value, exponent: Value) -> None:
    """Refuses powers that are certainly too long; others have less than twice the limit's bits."""
    if type(exponent) not in _WHOLE and not (
        type(exponent) is Fraction and exponent.denominator == 1
    ):
        return
    if type(base) in _WHOLE:
        bits = abs(base).bit_length()
        if exponent < 0 and type(exponent) is not Fraction:
            return  # a float; with a fraction as exponent, a fraction of 1 and the power
    elif type(base) is Fraction:
        bits = max(base.numerator.bit_length(), base.denominator.bit_length())
    else:
        return
    meter.need_bits(max(bits - 1, 0) * abs(int(exponent)))


def _check_collections(meter: Meter, name: str, left: Value, right: Value) -> None:
    """Counts what an operator on collections is about to make."""
    kinds = {type(left), type(right)}
    if name == "+" and len(kinds) == 1 and type(left) in _SEQUENCES:
        _count(meter, type(left), len(left) + len(right))
    elif name == "*" and type(left) in _SEQUENCES and type(right) in _WHOLE:
        _count(meter, type(left), len(left) * max(right, 0))
    elif name == "*" and type(right) in _SEQUENCES and type(left) in _WHOLE:
        _count(meter, type(right), len(right) * max(left, 0))
    elif name in ("|", "&", "-", "^") and kinds in ({set}, {dict}):
        meter.step(len(left) + len(right))
        meter.make_elements(4 * (len(left) + len(right)))
    else:
        raise ProgramError(
            "type",
            f"unsupported operand type(s) for {name}: {type_name(left)!r} and {type_name(right)!r}",
        )


def _count(meter: Meter, kind: type, count: int) -> None:
    if kind is str:
        meter.make_characters(count)
    else:
        meter.make_elements(count)


def apply_unary(meter: Meter, kind: type, value: Value) -> Value:
    """`-value` and its kind; `not` is the machine's."""
    if type(value) not in NUMBERS:
        raise ProgramError("type", f"bad operand type for unary operator: {type_name(value)!r}")
    return check_number(meter, guarded(_UNARY[kind], value))


def compare(meter: Meter, kind: type, left: Value, right: Value) -> bool:
    """`left < right` and its kind."""
    if type(left) in NUMBERS and type(right) in NUMBERS:
        if kind in (ast.Is, ast.IsNot) and not (type(left) is bool or type(right) is bool):
            raise Unsupported("`is` between numbers")  # CPython itself warns of it
        return guarded(_COMPARISONS[kind], left, right)
    if kind in (ast.In, ast.NotIn):
        return _contains(meter, left, right) is (kind is ast.In)
    if kind in (ast.Is, ast.IsNot) and not _is_singleton(left) and not _is_singleton(right):
        raise Unsupported("`is` but for None, True and False")
    meter.step(weigh(meter, left) + weigh(meter, right))
    return guarded(_COMPARISONS[kind], left, right)


def _is_singleton(value: Value) -> bool:
    return value is None or type(value) is bool


def _contains(meter: Meter, item: Value, items: Value) -> bool:
    meter.step(weigh(meter, item))
    kind = type(items)
    if kind is range and type(item) not in _WHOLE:  # looked through one by one
        meter.step(length(items))
    elif kind is not range:
        meter.step(weigh(meter, items))
        if kind not in (str, list, tuple, set, dict, type({}.keys()), type({}.values())):
            raise Unsupported(f"`in` a {type_name(items)}")
    return guarded(_COMPARISONS[ast.In], item, items)


def as_decimal_int(meter: Meter, value: Decimal) -> int:
    """`int(value)`, bounded before it is made."""
    if value.is_finite() and value.adjusted() > 0:
        meter.need_bits(int(value.adjusted() * 3.33))
    return guarded(int, value)
