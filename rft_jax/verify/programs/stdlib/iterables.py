"""Built-in functions over iterables: sums, extremes, sorting, and iterators over others."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rft_jax.verify.programs.limits import ProgramError, Unsupported
from rft_jax.verify.programs.operators import apply_binary, check_number, compare, guarded
from rft_jax.verify.programs.values import (
    Lazy,
    Value,
    counted,
    iterate,
    listed,
    truth,
    type_name,
    weigh,
)

if TYPE_CHECKING:
    from rft_jax.verify.programs.machine import Machine

MISSING: Any = object()
"""The default of an argument that was not given."""
_LAZY_STEPS = 10  # that making an iterator over others costs


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
    if len(values) > 1 and default is not MISSING:
        raise ProgramError("type", f"{name}(): a default goes with one iterable")
    if type(values[0]) is set and len(values) == 1 and key is None:
        items: list[Value] = list(values[0])  # of equal elements there is one: no order matters
        machine.meter.step(len(items))
    else:
        items = listed(machine.meter, values[0]) if len(values) == 1 else list(values)
    if not items:
        if default is MISSING:
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
    machine: Machine, first: Value, /, *others: Value, key: Value = None, default: Value = MISSING
) -> Value:
    return _extreme(machine, ast.Lt, (first, *others), key, default)


def _max(
    machine: Machine, first: Value, /, *others: Value, key: Value = None, default: Value = MISSING
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


def _next(machine: Machine, iterator: Value, default: Any = MISSING, /) -> Value:
    if type(iterator) is not Lazy:
        raise ProgramError("type", f"{type_name(iterator)!r} object is not an iterator")
    for item in iterate(machine.meter, iterator):
        return item
    if default is MISSING:
        raise ProgramError("raised", "StopIteration")
    return default


OVER_ITERABLES: dict[str, Callable[..., Value]] = {
    "sum": _sum,
    "min": _min,
    "max": _max,
    "sorted": _sorted,
    "reversed": _reversed,
    "enumerate": _enumerate,
    "zip": _zip,
    "map": _map,
    "filter": _filter,
    "any": _any,
    "all": _all,
    "iter": _iter,
    "next": _next,
}
"""Name -> the function."""
