"""Python's built-in functions that programs of this kind use."""

from __future__ import annotations

import ast
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from rft_jax.verify.programs.errors import ERROR_TYPES
from rft_jax.verify.programs.items import ENTRY, add_to_set, set_item, unpack
from rft_jax.verify.programs.limits import BudgetSpent, ProgramError, Unsupported
from rft_jax.verify.programs.operators import (
    apply_binary,
    as_decimal_int,
    check_number,
    guarded,
)
from rft_jax.verify.programs.stdlib.iterables import MISSING, OVER_ITERABLES
from rft_jax.verify.programs.stdlib.numeric import to_decimal, to_fraction
from rft_jax.verify.programs.stdlib.signature import checked, numeric
from rft_jax.verify.programs.values import (
    NUMBERS,
    SIZED,
    Builtin,
    Function,
    Value,
    iterate,
    listed,
    text_of,
    truth,
    type_name,
)

if TYPE_CHECKING:
    from rft_jax.verify.programs.machine import Machine

MAX_ROUNDING = 1_000  # digits that round() is asked for


def _print(machine: Machine, *values: Value, sep: Value = " ", end: Value = "\n") -> None:
    between, after = (" " if sep is None else sep), ("\n" if end is None else end)
    if type(between) is not str or type(after) is not str:
        raise ProgramError("type", "sep and end must be None or a string")
    texts = [text_of(machine.meter, value) for value in values]
    gaps = len(between) * max(len(texts) - 1, 0)
    machine.meter.print(sum(map(len, texts)) + gaps + len(after))
    machine.output.append(between.join(texts) + after)


def _len(machine: Machine, value: Value, /) -> int:
    if type(value) not in SIZED:
        raise ProgramError("type", f"object of type {type_name(value)!r} has no len()")
    return guarded(len, value)


def _abs(machine: Machine, value: Value, /) -> Value:
    if type(value) not in NUMBERS:
        raise ProgramError("type", f"bad operand type for abs(): {type_name(value)!r}")
    return guarded(abs, value)


def _round(machine: Machine, number: Value, ndigits: Value = None) -> Value:
    if type(number) not in NUMBERS:
        raise ProgramError("type", f"type {type_name(number)} doesn't define __round__ method")
    if type(ndigits) is int and abs(ndigits) > MAX_ROUNDING:
        raise BudgetSpent("digits to round to", MAX_ROUNDING)
    if type(number) is Decimal:
        as_decimal_int(machine.meter, number)  # which round() may make
    return check_number(machine.meter, guarded(round, number, ndigits))


def _int(machine: Machine, value: Value = 0, /, base: Value = MISSING) -> int:
    if type(value) is str:
        machine.meter.step(1 + (len(value) >> 6))
        machine.meter.need_bits(int(3.33 * len(value)))
        made = guarded(int, value, 10 if base is MISSING else base)
        return check_number(machine.meter, made)  # a digit of another base has up to 5.2 bits
    if type(value) not in NUMBERS or base is not MISSING:
        raise ProgramError(
            "type", f"int() argument must be a string or a number, not {type_name(value)!r}"
        )
    return as_decimal_int(machine.meter, value) if type(value) is Decimal else guarded(int, value)


def _float(machine: Machine, value: Value = 0.0, /) -> float:
    if type(value) is str:
        machine.meter.step(1 + (len(value) >> 6))
    elif type(value) not in NUMBERS:
        raise ProgramError(
            "type", f"float() argument must be a string or a real number, not {type_name(value)!r}"
        )
    return guarded(float, value)


def _str(machine: Machine, value: Value = "", /) -> str:
    return text_of(machine.meter, value)


def _repr(machine: Machine, value: Value, /) -> str:
    return text_of(machine.meter, value, quoted=True)


def _bool(machine: Machine, value: Value = False, /) -> bool:
    return truth(value)


def _list(machine: Machine, iterable: Value = (), /) -> list[Value]:
    return listed(machine.meter, iterable)


def _tuple(machine: Machine, iterable: Value = (), /) -> tuple[Value, ...]:
    return tuple(listed(machine.meter, iterable))


def _set(machine: Machine, iterable: Value = (), /) -> set[Value]:
    if type(iterable) is set:
        machine.meter.make_elements(ENTRY * len(iterable))
        return set(iterable)
    made: set[Value] = set()
    for item in iterate(machine.meter, iterable):
        add_to_set(machine.meter, made, item)
    return made


def _dict(machine: Machine, source: Value = (), /, **named: Value) -> dict[Value, Value]:
    made: dict[Value, Value] = {}
    pairs = source.items() if type(source) is dict else source
    for pair in iterate(machine.meter, pairs):
        key, value = unpack(machine.meter, pair, 2, None)
        set_item(machine.meter, made, key, value)
    machine.meter.make_elements(ENTRY * len(named))
    return made | named


def _range(machine: Machine, first: Value, stop: Any = MISSING, step: Value = 1, /) -> range:
    return guarded(range, *((first,) if stop is MISSING else (first, stop, step)))


def _pow(machine: Machine, base: Value, exp: Value, mod: Value = None) -> Value:
    if mod is None:
        return apply_binary(machine.meter, ast.Pow, base, exp)
    for value in (base, exp, mod):
        if type(value) not in (int, bool):
            raise ProgramError("type", "pow() with 3 arguments takes whole numbers")
    bits = int(mod).bit_length()
    machine.meter.step(1 + (int(exp).bit_length() * max(bits << 12, bits * bits) >> 20))
    if exp < 0:  # an inverse by Euclid's algorithm
        machine.meter.step(bits * bits >> 13)
    return guarded(pow, base, exp, mod)


def _divmod(machine: Machine, left: Value, right: Value, /) -> tuple[Value, Value]:
    return (
        apply_binary(machine.meter, ast.FloorDiv, left, right),
        apply_binary(machine.meter, ast.Mod, left, right),
    )


def _ord(machine: Machine, character: Value, /) -> int:
    if type(character) is not str:
        raise ProgramError("type", "ord() expected string of length 1")
    return guarded(ord, character)


def _isinstance(machine: Machine, value: Value, kind: Value, /) -> bool:
    kinds = kind if type(kind) is tuple else (kind,)
    if not all(type(one) is Builtin and one.types for one in kinds):
        raise Unsupported("isinstance of that class")
    return any(type(value) in one.types for one in kinds)


def _callable(machine: Machine, value: Value, /) -> bool:
    return type(value) in (Function, Builtin)


def _fraction(machine: Machine, numerator: Value = 0, denominator: Value = None) -> Fraction:
    return to_fraction(machine.meter, numerator, denominator)


def _decimal(machine: Machine, value: Value = 0) -> Decimal:
    return to_decimal(machine.meter, value)


def _builtin(name: str, function: Any, *types: type) -> Builtin:
    return Builtin(name, checked(name, function), types)


def _digits(name: str, function: Any) -> Builtin:
    """`bin` and its kind, which spell a number in another base."""
    spell = numeric(name, function)

    def call(machine: Machine, positional: list[Value], named: dict[str, Value]) -> str:
        text = spell(machine, positional, named)
        machine.meter.make_characters(len(text))
        return text

    return Builtin(name, call)


FRACTION = _builtin("Fraction", _fraction, Fraction)
DECIMAL = _builtin("Decimal", _decimal, Decimal)
_FUNCTIONS = (
    _builtin("print", _print),
    _builtin("len", _len),
    _builtin("abs", _abs),
    _builtin("round", _round),
    _builtin("int", _int, int, bool),
    _builtin("float", _float, float),
    _builtin("str", _str, str),
    _builtin("repr", _repr),
    _builtin("bool", _bool, bool),
    *(_builtin(name, function) for name, function in OVER_ITERABLES.items()),
    _builtin("list", _list, list),
    _builtin("tuple", _tuple, tuple),
    _builtin("set", _set, set),
    _builtin("dict", _dict, dict),
    _builtin("range", _range, range),
    _builtin("pow", _pow),
    _builtin("divmod", _divmod),
    _builtin("ord", _ord),
    _builtin("isinstance", _isinstance),
    _builtin("callable", _callable),
    Builtin("chr", numeric("chr", chr)),
    *(_digits(name, function) for name, function in (("bin", bin), ("hex", hex), ("oct", oct))),
)
# Names that CPython has and that are refused: what they do, or how they show it, is not a
# calculation.
_REFUSED = frozenset(
    (
        "eval exec compile open input __import__ getattr setattr delattr hasattr globals locals "
        "vars dir breakpoint exit quit help type object super property classmethod staticmethod "
        "id hash memoryview bytearray bytes frozenset complex format ascii slice aiter anext "
        "issubclass __build_class__ __debug__ __loader__ __spec__ __doc__ __package__ license "
        "copyright credits"
    ).split()
)


class BuiltinNames(dict[str, Value]):
    """The built-in names; those that are refused say so when they are looked up."""

    def __contains__(self, name: object) -> bool:
        return name in _REFUSED or super().__contains__(name)

    def __missing__(self, name: str) -> Value:
        raise Unsupported(name)


BUILTINS = BuiltinNames({one.name: one for one in _FUNCTIONS} | ERROR_TYPES)
