"""Python's built-in functions that programs of this kind use."""

from __future__ import annotations

import ast
import itertools
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
    compare,
    guarded,
)
from rft_jax.verify.programs.stdlib.numeric import to_decimal, to_fraction
from rft_jax.verify.programs.stdlib.signature import checked, numeric
from rft_jax.verify.programs.values import (
    NUMBERS,
    SIZED,
    Builtin,
    Function,
    Lazy,
    Value,
    counted,
    iterate,
    listed,
    text_of,
    truth,
    type_name,
    weigh,
)

if TYPE_CHECKING:
    from rft_jax.verify.programs.machine import Machine

_MISSING = object()
_LAZY_STEPS = 10  # that making an iterator over others costs
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


def _int(machine: Machine, value: Value = 0, /, base: Value = _MISSING) -> int:
    if type(value) is str:
        machine.meter.step(1 + (len(value) >> 6))
        machine.meter.need_bits(int(3.33 * len(value)))
        made = guarded(int, value, 10 if base is _MISSING else base)
        return check_number(machine.meter, made)  # a digit of another base has up to 5.2 bits
    if type(value) not in NUMBERS or base is not _MISSING:
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


def _sum(machine: Machine, iterable: Value, /, start: Value = 0) -> Value:
    items = listed(machine.meter, iterable)
    if type(start) is str:
        raise ProgramError("type", "sum() can't sum strings [use ''.join(seq) instead]")
    if {type(item) for item in items} | {type(start)} <= {int, float, bool}:
        total = check_number(machine.meter, guarded(sum, items, start))
        _record_sum(machine, items if start == 0 else [start, *items])
        return total
    total = start
    for item in items:
        total = apply_binary(machine.meter, ast.Add, total, item)
    return total


def _record_sum(machine: Machine, items: list[Value]) -> None:
    """Records a sum as the additions that it stands for."""
    partial: Value = None
    for item in items[: machine.meter.limits.operations]:
        if partial is not None:
            machine.meter.record("+", partial, item, partial + item)
        partial = item if partial is None else partial + item


def _extreme(
    machine: Machine, kind: type, values: tuple[Value, ...], key: Value, default: Value
) -> Value:
    name = "min" if kind is ast.Lt else "max"
    if len(values) > 1 and default is not _MISSING:
        raise ProgramError("type", f"{name}(): a default goes with one iterable")
    if type(values[0]) is set and len(values) == 1 and key is None:
        items: list[Value] = list(values[0])  # of equal elements there is one: no order matters
        machine.meter.step(len(items))
    else:
        items = listed(machine.meter, values[0]) if len(values) == 1 else list(values)
    if not items:
        if default is _MISSING:
            raise ProgramError("value", f"{name}() iterable argument is empty")
        return default
    keys = items if key is None else [machine.call(key, [item], {}) for item in items]
    best = 0
    for index in range(1, len(keys)):
        machine.meter.step()
        if compare(machine.meter, kind, keys[index], keys[best]):
            best = index
    return items[best]


def _min(
    machine: Machine, first: Value, /, *others: Value, key: Value = None, default: Value = _MISSING
) -> Value:
    return _extreme(machine, ast.Lt, (first, *others), key, default)


def _max(
    machine: Machine, first: Value, /, *others: Value, key: Value = None, default: Value = _MISSING
) -> Value:
    return _extreme(machine, ast.Gt, (first, *others), key, default)


def sort_values(machine: Machine, items: list[Value], key: Value, reverse: Value) -> list[Value]:
    """The items sorted, after counting what comparing them costs."""
    keys = items if key is None else [machine.call(key, [item], {}) for item in items]
    look = sum(weigh(machine.meter, one) for one in keys)
    machine.meter.step(look * max(len(keys), 1).bit_length())
    order = guarded(lambda: sorted(range(len(keys)), key=keys.__getitem__, reverse=truth(reverse)))
    machine.meter.make_elements(len(order))
    return [items[index] for index in order]


def _sorted(
    machine: Machine, iterable: Value, /, *, key: Value = None, reverse: Value = False
) -> list[Value]:
    if type(iterable) is set and key is None:  # sorting forgets the order of a set
        machine.meter.make_elements(len(iterable))
        return sort_values(machine, list(iterable), key, reverse)
    return sort_values(machine, listed(machine.meter, iterable), key, reverse)


def _reversed(machine: Machine, sequence: Value, /) -> Lazy:
    if type(sequence) in (str, list, tuple, range, dict):
        return Lazy(counted(machine.meter, reversed(sequence)))
    raise ProgramError("type", f"{type_name(sequence)!r} object is not reversible")


def _enumerate(machine: Machine, iterable: Value, start: Value = 0) -> Lazy:
    if type(start) is not int:
        raise ProgramError("type", "enumerate(): start must be a whole number")
    return Lazy(zip(itertools.count(start), iterate(machine.meter, iterable)))


def _zip(machine: Machine, *iterables: Value, strict: Value = False) -> Lazy:
    if truth(strict):
        raise Unsupported("zip(strict=True)")
    machine.meter.step(_LAZY_STEPS)
    return Lazy(zip(*[iterate(machine.meter, one) for one in iterables], strict=False))


def _map(machine: Machine, function: Value, first: Value, /, *others: Value) -> Lazy:
    machine.meter.step(_LAZY_STEPS)
    columns = zip(*[iterate(machine.meter, one) for one in (first, *others)], strict=False)
    return Lazy(machine.call(function, list(row), {}) for row in columns)


def _filter(machine: Machine, function: Value, iterable: Value, /) -> Lazy:
    machine.meter.step(_LAZY_STEPS)
    items = iterate(machine.meter, iterable)
    if function is None:
        return Lazy(item for item in items if truth(item))
    return Lazy(item for item in items if truth(machine.call(function, [item], {})))


def _any(machine: Machine, iterable: Value, /) -> bool:
    return any(truth(item) for item in iterate(machine.meter, iterable))


def _all(machine: Machine, iterable: Value, /) -> bool:
    return all(truth(item) for item in iterate(machine.meter, iterable))


def _iter(machine: Machine, iterable: Value, /) -> Lazy:
    return iterable if type(iterable) is Lazy else Lazy(iterate(machine.meter, iterable))


def _next(machine: Machine, iterator: Value, default: Any = _MISSING, /) -> Value:
    if type(iterator) is not Lazy:
        raise ProgramError("type", f"{type_name(iterator)!r} object is not an iterator")
    for item in iterate(machine.meter, iterator):
        return item
    if default is _MISSING:
        raise ProgramError("raised", "StopIteration")
    return default


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


def _range(machine: Machine, first: Value, stop: Any = _MISSING, step: Value = 1, /) -> range:
    return guarded(range, *((first,) if stop is _MISSING else (first, stop, step)))


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
    _builtin("sum", _sum),
    _builtin("min", _min),
    _builtin("max", _max),
    _builtin("sorted", _sorted),
    _builtin("reversed", _reversed),
    _builtin("enumerate", _enumerate),
    _builtin("zip", _zip),
    _builtin("map", _map),
    _builtin("filter", _filter),
    _builtin("any", _any),
    _builtin("all", _all),
    _builtin("iter", _iter),
    _builtin("next", _next),
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
