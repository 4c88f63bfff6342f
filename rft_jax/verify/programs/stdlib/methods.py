"""Methods and properties of values: a table from (type, name), and nothing beside it."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from rft_jax.verify.programs.formats import format_number
from rft_jax.verify.programs.items import ENTRY, add_to_set, count_collisions, set_item, unpack
from rft_jax.verify.programs.limits import ProgramError, Unsupported
from rft_jax.verify.programs.operators import check_number, guarded
from rft_jax.verify.programs.stdlib.iterables import sort_values
from rft_jax.verify.programs.stdlib.signature import checked
from rft_jax.verify.programs.values import (
    NUMBERS,
    Lazy,
    Module,
    Value,
    iterate,
    listed,
    text_of,
    type_name,
    weigh,
)

if TYPE_CHECKING:
    from rft_jax.verify.programs.machine import Machine

_MISSING = object()
_STORED = (str, *NUMBERS, list, tuple, dict, set, range)
# What CPython's types have, to tell what it could do from what nobody could.
_KNOWN = {kind: frozenset(dir(kind)) for kind in (*_STORED, type(None))}


def knows_attribute(owner: Value, name: str) -> bool:
    """Whether CPython may find that attribute of such a value."""
    if type(owner) in _KNOWN:
        return name in _KNOWN[type(owner)]
    return type(owner) is Module or name.startswith("__") or type(owner) is Lazy


def _append(machine: Machine, items: list[Value], item: Value, /) -> None:
    machine.meter.make_elements(1)
    items.append(item)


def _extend(machine: Machine, items: list[Value], more: Value, /) -> None:
    items.extend(listed(machine.meter, more))


def _insert(machine: Machine, items: list[Value], index: Value, item: Value, /) -> None:
    machine.meter.make_elements(1)
    machine.meter.step(1 + (len(items) >> 6))
    guarded(items.insert, index, item)


def _pop(machine: Machine, items: list[Value], index: Value = -1, /) -> Value:
    machine.meter.step(1 + (len(items) >> 6))
    return guarded(items.pop, index)


def _remove(machine: Machine, items: list[Value], item: Value, /) -> None:
    machine.meter.step(weigh(machine.meter, items) + weigh(machine.meter, item))
    guarded(items.remove, item)


def _index(machine: Machine, items: Any, item: Value, *bounds: Value) -> int:
    machine.meter.step(weigh(machine.meter, items) + weigh(machine.meter, item))
    if type(items) is list:
        items = tuple(items)  # whose error does not spell the item
    return guarded(items.index, item, *bounds)


def _count(machine: Machine, items: Any, item: Value, *bounds: Value) -> int:
    machine.meter.step(weigh(machine.meter, items) + weigh(machine.meter, item))
    return guarded(items.count, item, *bounds)


def _sort(
    machine: Machine, items: list[Value], /, *, key: Value = None, reverse: Value = False
) -> None:
    items[:] = sort_values(machine, list(items), key, reverse)


def _reverse(machine: Machine, items: list[Value], /) -> None:
    machine.meter.step(len(items))
    items.reverse()


def _copy(machine: Machine, items: Any, /) -> Value:
    machine.meter.make_elements(len(items) * (1 if type(items) is list else ENTRY))
    return items.copy()


def _clear(machine: Machine, items: Any, /) -> None:
    items.clear()


def _get(
    machine: Machine, entries: dict[Value, Value], key: Value, default: Value = None, /
) -> Value:
    machine.meter.step(weigh(machine.meter, key))
    return guarded(entries.get, key, default)


def _pop_entry(
    machine: Machine, entries: dict[Value, Value], key: Value, default: Any = _MISSING, /
) -> Value:
    machine.meter.step(weigh(machine.meter, key))
    return guarded(entries.pop, key, *(() if default is _MISSING else (default,)))


def _setdefault(
    machine: Machine, entries: dict[Value, Value], key: Value, default: Value = None, /
) -> Value:
    machine.meter.step(weigh(machine.meter, key))
    machine.meter.make_elements(ENTRY)
    count_collisions(machine.meter, entries, key)
    return guarded(entries.setdefault, key, default)


def _update(
    machine: Machine, entries: dict[Value, Value], more: Value = (), /, **named: Value
) -> None:
    for pair in iterate(machine.meter, more.items() if type(more) is dict else more):
        set_item(machine.meter, entries, *unpack(machine.meter, pair, 2, None))
    for key, value in named.items():
        set_item(machine.meter, entries, key, value)


def _add(machine: Machine, items: set[Value], item: Value, /) -> None:
    add_to_set(machine.meter, items, item)


def _discard(machine: Machine, items: set[Value], item: Value, /) -> None:
    machine.meter.step(weigh(machine.meter, item))
    guarded(items.discard, item)


def _remove_from_set(machine: Machine, items: set[Value], item: Value, /) -> None:
    machine.meter.step(weigh(machine.meter, item))
    guarded(items.remove, item)


def _set_method(name: str) -> Callable[..., Value]:
    """`union` and its kind: from sets or other iterables to a new set or a bool."""
    method = getattr(set, name)

    def call(machine: Machine, items: set[Value], *others: Value) -> Value:
        sets = []
        for other in others:
            made: set[Value] = set()
            for item in other if type(other) is set else iterate(machine.meter, other):
                add_to_set(machine.meter, made, item)
            sets.append(made)
        machine.meter.make_elements(ENTRY * len(items))
        return guarded(method, items, *sets)

    return call


def _text_method(name: str) -> Callable[..., Value]:
    """A method of strings that makes nothing longer than the string, or answers a question."""
    method = getattr(str, name)

    def call(machine: Machine, text: str, *arguments: Value) -> Value:
        machine.meter.step(1 + (len(text) >> 6))
        machine.meter.make_characters(3 * len(text))  # upper() may make three of one
        for argument in arguments:
            weigh(machine.meter, argument)
            if type(argument) is str and name in _COMPARE_EACH:
                machine.meter.step(len(text) * len(argument) >> 10)
        return guarded(method, text, *arguments)

    return call


def _split(machine: Machine, text: str, /, sep: Value = None, maxsplit: Value = -1) -> list[str]:
    machine.meter.make_characters(len(text))
    machine.meter.make_elements(
        len(text) if sep in (None, " ") else text.count(sep) + 1 if type(sep) is str and sep else 0
    )
    return guarded(text.split, sep, maxsplit)


def _splitlines(machine: Machine, text: str, /) -> list[str]:
    machine.meter.make_characters(len(text))
    machine.meter.make_elements(len(text))
    return text.splitlines()


def _join(machine: Machine, between: str, iterable: Value, /) -> str:
    parts = listed(machine.meter, iterable)
    for part in parts:
        if type(part) is not str:
            raise ProgramError(
                "type", f"sequence item: expected str instance, {type_name(part)} found"
            )
    machine.meter.make_characters(sum(map(len, parts)) + len(between) * len(parts))
    return between.join(parts)


def _replace(machine: Machine, text: str, old: Value, new: Value, count: Value = -1, /) -> str:
    if type(old) is not str or type(new) is not str:
        raise ProgramError("type", "replace() arguments must be str")
    machine.meter.make_characters(len(text) + text.count(old) * len(new))
    return guarded(text.replace, old, new, count)


def _padded(name: str) -> Callable[..., str]:
    """`zfill` and its kind, which make a string of a given width."""
    method = getattr(str, name)

    def call(machine: Machine, text: str, width: Value, *fill: Value) -> str:
        if type(width) is not int:
            raise ProgramError("type", f"{name}(): width must be a whole number")
        machine.meter.make_characters(max(len(text), width))
        return guarded(method, text, width, *fill)

    return call


_FIELD = re.compile(r"\{(?::([^{}]*))?\}")


def _format(machine: Machine, text: str, *values: Value, **named: Value) -> str:
    """`{}` and `{:.2f}` alone: a format field of CPython's can read attributes."""
    pieces, specs = _FIELD.split(text)[::2], _FIELD.findall(text)
    if "{" in "".join(pieces) or "}" in "".join(pieces) or named or len(specs) > len(values):
        raise Unsupported("str.format with more than {} and {:.nf}")
    meter = machine.meter
    texts = [
        format_number(meter, value, spec) if spec else text_of(meter, value)
        for value, spec in zip(values, specs, strict=False)
    ]
    made = pieces[0] + "".join(a + b for a, b in zip(texts, pieces[1:], strict=False))
    machine.meter.make_characters(len(made))
    return made


def _limit_denominator(
    machine: Machine, value: Fraction, max_denominator: Value = 1_000_000
) -> Fraction:
    if type(max_denominator) is not int:
        raise ProgramError("type", "limit_denominator() takes a whole number")
    bits = max(value.numerator.bit_length(), value.denominator.bit_length())
    machine.meter.step(bits * min(bits, max_denominator.bit_length()) >> 14)
    return check_number(machine.meter, guarded(value.limit_denominator, max_denominator))


def _quantize(machine: Machine, value: Decimal, exp: Value, /) -> Decimal:
    if type(exp) is not Decimal:
        raise ProgramError("type", "quantize() takes a Decimal")
    return guarded(value.quantize, exp)


def _view(name: str) -> Callable[..., Value]:
    method = getattr(dict, name)
    return lambda _machine, entries: method(entries)


def _plain(kind: type, name: str) -> Callable[..., Value]:
    method = getattr(kind, name)
    return lambda machine, value: check_number(machine.meter, guarded(method, value))


_SET_METHODS = (
    "union intersection difference symmetric_difference issubset issuperset isdisjoint"
).split()
_TEXT_METHODS = (
    "upper lower title capitalize swapcase strip lstrip rstrip removeprefix removesuffix "
    "startswith endswith find rfind isdigit isalpha isalnum isupper islower isspace isnumeric "
    "isdecimal"
).split()
# Those that compare every character of a string with every one of another.
_COMPARE_EACH = frozenset("strip lstrip rstrip rfind".split())
_LIST: dict[str, Callable[..., Value]] = {
    "append": _append,
    "extend": _extend,
    "insert": _insert,
    "pop": _pop,
    "remove": _remove,
    "index": _index,
    "count": _count,
    "sort": _sort,
    "reverse": _reverse,
    "copy": _copy,
    "clear": _clear,
}
_DICT: dict[str, Callable[..., Value]] = {
    "get": _get,
    "pop": _pop_entry,
    "setdefault": _setdefault,
    "update": _update,
    "copy": _copy,
    "clear": _clear,
    **{name: _view(name) for name in ("keys", "values", "items")},
}
_SET: dict[str, Callable[..., Value]] = {
    "add": _add,
    "discard": _discard,
    "remove": _remove_from_set,
    "copy": _copy,
    "clear": _clear,
    **{name: _set_method(name) for name in [*_SET_METHODS, "update"]},
}
_TEXT: dict[str, Callable[..., Value]] = {
    "split": _split,
    "splitlines": _splitlines,
    "join": _join,
    "replace": _replace,
    "format": _format,
    "index": _index,
    "count": _count,
    **{name: _padded(name) for name in ("zfill", "ljust", "rjust", "center")},
    **{name: _text_method(name) for name in _TEXT_METHODS},
}
_TABLES: dict[type, dict[str, Callable[..., Value]]] = {
    list: _LIST,
    dict: _DICT,
    set: _SET,
    str: _TEXT,
    tuple: {"index": _index, "count": _count},
    int: {name: _plain(int, name) for name in ("bit_length", "bit_count", "conjugate")},
    float: {"is_integer": _plain(float, "is_integer")},
    Fraction: {"limit_denominator": _limit_denominator},
    Decimal: {"quantize": _quantize, "sqrt": _plain(Decimal, "sqrt")},
}
METHODS: dict[tuple[type, str], Callable[..., Value]] = {
    (kind, name): checked(name, function, own=2)
    for kind, table in _TABLES.items()
    for name, function in table.items()
}
PROPERTIES: dict[tuple[type, str], Callable[[Value], Value]] = {
    (Fraction, "numerator"): lambda value: value.numerator,
    (Fraction, "denominator"): lambda value: value.denominator,
    (int, "numerator"): lambda value: value,
    (int, "denominator"): lambda _value: 1,
}
