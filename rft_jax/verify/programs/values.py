"""The values of a program: Python's plain ones and four types of our own.

A value is an int, float, bool, str, None, list, tuple, dict (and its views), set, range, Fraction
or Decimal, of exactly that type, or one of the classes below. No attribute of a value is ever
looked up by a name that the program chose.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, TypeAlias

from rft_jax.verify.programs.limits import BudgetSpent, Meter, ProgramError, Unsupported
from rft_jax.verify.programs.scopes import Frame

Value: TypeAlias = Any  # a union of more types than help a reader; see above
VIEWS: tuple[type, ...] = (type({}.keys()), type({}.values()), type({}.items()))
SIZED = (str, list, tuple, dict, set, range, *VIEWS)
_COLLECTIONS = (list, tuple, dict, set, *VIEWS)
NUMBERS = (int, float, bool, Fraction, Decimal)
_END = object()
# Elements whose order in a set is the same in every process.
_ORDERED_IN_SETS = (*NUMBERS, tuple)


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """A function of the program's.

    Attributes:
      name: as defined; `<lambda>` for a lambda.
      parameters: as written.
      defaults: values of the last positional parameters.
      keyword_defaults: values of the keyword-only ones, by name.
      body: its statements, or the one expression of a lambda.
      names: what it binds.
      frame: where it was defined.
    """

    name: str
    parameters: ast.arguments
    defaults: tuple[Value, ...]
    keyword_defaults: Mapping[str, Value]
    body: list[ast.stmt] | ast.expr
    names: frozenset[str]
    global_names: frozenset[str]
    frame: Frame


@dataclass(frozen=True, slots=True, eq=False)
class Builtin:
    """A function that programs find by name.

    Attributes:
      name: as programs write it.
      call: takes the machine, the positional and the named arguments.
      types: what `isinstance` takes it for, where it is a type.
    """

    name: str
    call: Callable[[Any, list[Value], dict[str, Value]], Value]
    types: tuple[type, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Module:
    """An imported module: nothing but its table of members."""

    name: str
    members: Mapping[str, Value]


@dataclass(frozen=True, slots=True, eq=False)
class Lazy:
    """An iterator: a generator expression, or what `map`, `zip` and their kind return."""

    items: Iterator[Value]


def type_name(value: Value) -> str:
    """The type as error messages name it."""
    names = {Function: "function", Builtin: "builtin", Module: "module", Lazy: "generator"}
    return names.get(type(value), type(value).__name__)


def truth(value: Value) -> bool:
    """Whether a value counts as true; all of our own types do."""
    return bool(value)


def iterate(meter: Meter, value: Value) -> Iterator[Value]:
    """The elements of a value, a step each."""
    kind = type(value)
    if kind is set:
        require_order(meter, value)
    if kind is Lazy:
        return _resumed(meter, value.items)
    if kind not in SIZED:
        raise ProgramError("type", f"{type_name(value)!r} object is not iterable")
    return counted(meter, iter(value))


def _resumed(meter: Meter, items: Iterator[Value]) -> Iterator[Value]:
    """The items of a lazy value; one that asks another one counts as a call within a call."""
    while True:
        meter.enter()
        try:
            item = next(items, _END)
        except ValueError as error:
            if "already executing" not in str(error):
                raise
            raise ProgramError("value", "generator already executing") from error
        finally:
            meter.calls -= 1
        if item is _END:
            return
        meter.step()
        yield item


def counted(meter: Meter, items: Iterator[Value]) -> Iterator[Value]:
    """The items of an iterator of Python's, a step each.

    Raises:
      ProgramError: what they are of changed meanwhile, or the budget is spent.
    """
    while True:
        try:
            item = next(items)
        except StopIteration:
            return
        except RecursionError:
            raise
        except RuntimeError as error:  # the collection changed while it was iterated
            raise ProgramError("runtime", str(error)) from error
        meter.step()
        yield item


def listed(meter: Meter, value: Value) -> list[Value]:
    """The elements of a value in a list."""
    if type(value) in SIZED:
        meter.step(length(value))
        meter.make_elements(length(value))
        if type(value) is set:
            require_order(meter, value)
        return list(value)
    items = []
    for item in iterate(meter, value):
        meter.make_elements(1)
        items.append(item)
    return items


def length(value: Value) -> int:
    """`len`, also of ranges that are too long for it."""
    if type(value) is range and value:
        return (value[-1] - value[0]) // value.step + 1
    return len(value)


def require_order(meter: Meter, items: set[Value]) -> None:
    """Refuses sets whose order differs from process to process; 16 elements cost a step.

    Raises:
      Unsupported: elements are strings, say, which Python hashes with a random seed.
    """
    meter.step(len(items) >> 4)
    waiting = list(items)
    while waiting:
        item = waiting.pop()
        if type(item) not in _ORDERED_IN_SETS:
            raise Unsupported(f"the order of a set of {type_name(item)}")
        if type(item) is tuple:
            meter.step(1 + (len(item) >> 4))
            waiting.extend(item)


def weigh(meter: Meter, value: Value) -> int:
    """Counts what it costs to look at all of a value, and refuses deep nesting.

    Comparing, hashing and sorting are left to Python, which follows every path through a value;
    counted before, they are bounded, also for lists that hold one list many times.

    Returns:
      The steps that one look costs.
    """
    kind = type(value)
    if kind is str:
        return 1 + (len(value) >> 6)
    if kind not in _COLLECTIONS:
        return 1
    begin = meter.steps
    level = [value]
    for _ in range(meter.limits.nesting):
        inner: list[Value] = []
        for item in level:
            meter.step(len(item))
            inner += [x for x in item if type(x) in _COLLECTIONS]
            if type(item) is dict:
                inner += [x for x in item.values() if type(x) in _COLLECTIONS]
        if not inner:
            return 1 + meter.steps - begin
        level = inner
    raise BudgetSpent("levels of nested collections", meter.limits.nesting)


def text_of(meter: Meter, value: Value, quoted: bool = False) -> str:
    """What `str` (or `repr`) makes of a value.

    Raises:
      Unsupported: the text holds an address in memory, or the order of a set of strings.
    """
    weigh(meter, value)
    least = _least_length(value)  # what is too long is not made
    meter.make_characters(least)
    text = _text(meter, value, quoted)
    meter.make_characters(len(text) - least)
    return text


def _least_length(value: Value) -> int:
    """Characters that the text of a value has at least."""
    kind = type(value)
    if kind is str:
        return len(value)
    if kind is int:
        return value.bit_length() * 3 // 10
    if kind is Fraction:
        return _least_length(value.numerator) + _least_length(value.denominator)
    if kind is Decimal:
        return len(str(value))
    if kind is dict:
        return sum(map(_least_length, value)) + sum(map(_least_length, value.values()))
    return sum(map(_least_length, value)) if kind in _BRACKETS else 0


def _text(meter: Meter, value: Value, quoted: bool) -> str:
    kind = type(value)
    if kind is str:
        return repr(value) if quoted else value
    if kind in (Fraction, Decimal):
        return repr(value) if quoted else str(value)
    if kind in (int, float, bool, type(None), range):
        return repr(value)
    if kind in _BRACKETS:
        if kind is set:
            if not value:
                return "set()"
            require_order(meter, value)
        left, right = _BRACKETS[kind]
        inner = ", ".join([_text(meter, item, True) for item in value])
        return f"{left}{inner}{',' if kind is tuple and len(value) == 1 else ''}{right}"
    if kind is dict:
        pairs = [f"{_text(meter, k, True)}: {_text(meter, v, True)}" for k, v in value.items()]
        return f"{{{', '.join(pairs)}}}"
    raise Unsupported(f"printing a {type_name(value)}")


_BRACKETS: dict[type, tuple[str, str]] = {
    list: ("[", "]"),
    tuple: ("(", ")"),
    set: ("{", "}"),
    VIEWS[0]: ("dict_keys([", "])"),
    VIEWS[1]: ("dict_values([", "])"),
    VIEWS[2]: ("dict_items([", "])"),
}
