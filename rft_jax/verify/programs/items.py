"""Elements of collections: reading, setting, deleting, counted before they are made."""

from __future__ import annotations

import operator
from decimal import Decimal
from fractions import Fraction
from typing import Any

from rft_jax.verify.programs.limits import Meter, ProgramError
from rft_jax.verify.programs.operators import guarded
from rft_jax.verify.programs.values import Value, length, listed, type_name, weigh

_SEQUENCES = (str, list, tuple, range)
ENTRY = 4  # elements that an entry of a dict or set counts as, for the memory that it takes


def get_item(meter: Meter, owner: Value, key: Value) -> Value:
    """`owner[key]`, also of a slice."""
    kind = type(owner)
    if kind is dict:
        meter.step(weigh(meter, key))
        return guarded(operator.getitem, owner, key)
    if kind not in _SEQUENCES:
        raise ProgramError("type", f"{type_name(owner)!r} object is not subscriptable")
    if type(key) is slice and kind is not range:
        size = len(range(*guarded(key.indices, length(owner))))
        (meter.make_characters if kind is str else meter.make_elements)(size)
    return guarded(operator.getitem, owner, key)


def set_item(meter: Meter, owner: Value, key: Value, value: Value) -> None:
    """`owner[key] = value`."""
    if type(owner) is dict:
        meter.step(weigh(meter, key))
        meter.make_elements(ENTRY)
        count_collisions(meter, owner, key)
    elif type(owner) is not list:
        raise ProgramError("type", f"{type_name(owner)!r} object does not support item assignment")
    elif type(key) is slice:
        value = listed(meter, value)
    guarded(operator.setitem, owner, key, value)


def delete_item(meter: Meter, owner: Value, key: Value) -> None:
    """`del owner[key]`."""
    if type(owner) not in (dict, list):
        raise ProgramError("type", f"{type_name(owner)!r} object doesn't support item deletion")
    meter.step(weigh(meter, key) if type(owner) is dict else 1 + (len(owner) >> 6))
    guarded(operator.delitem, owner, key)


def add_to_set(meter: Meter, items: set[Any], item: Value) -> None:
    """`items.add(item)`."""
    meter.step(weigh(meter, item))
    meter.make_elements(ENTRY)
    count_collisions(meter, items, item)
    guarded(items.add, item)


def count_collisions(meter: Meter, items: Any, key: Value) -> None:
    """Counts steps for a new key by the large ones of its hash, with which Python compares it.

    Raises:
      ProgramError: the key has no hash, or the budget is spent.
    """
    if _is_large(key) and not guarded(operator.contains, items, key):
        number = guarded(hash, key)
        same = meter.stored[number] = meter.stored.get(number, 0) + 1
        meter.step(min(same, len(items)) >> 4)  # it collides with no more than there are


def _is_large(key: Value) -> bool:
    """Whether many others like it may have its hash; hashes of numbers are modulo 2**61 - 1."""
    kind = type(key)
    if kind is int:
        return key.bit_length() > 60
    if kind is Fraction:
        return max(key.numerator.bit_length(), key.denominator.bit_length()) > 30
    if kind is Decimal:
        return key.is_finite() and max(len(key.as_tuple().digits), abs(key.adjusted())) > 15
    return kind is tuple and any(map(_is_large, key))


def make_set(meter: Meter, items: list[Value]) -> set[Value]:
    """The set of some values."""
    made: set[Value] = set()
    for item in items:
        add_to_set(meter, made, item)
    return made


def unpack(meter: Meter, value: Value, before: int, after: int | None) -> list[Value]:
    """The values for targets: `before` of them, or, with a starred one in between, three parts.

    Args:
      after: targets after the starred one; None where there is none.
    """
    items = listed(meter, value)
    if after is None:
        if len(items) != before:
            many = "too many" if len(items) > before else "not enough"
            raise ProgramError("value", f"{many} values to unpack (expected {before})")
        return items
    if len(items) < before + after:
        raise ProgramError("value", "not enough values to unpack")
    end = len(items) - after
    return [*items[:before], items[before:end], *items[end:]]
