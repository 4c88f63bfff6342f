"""Plain values checked against the type annotations of a settings dataclass, and converted."""

from __future__ import annotations

import dataclasses
import types
import typing
from typing import Any

_NAMES = {int: "an integer", float: "a number", str: "a string in quotes", bool: "True or False"}


class TypeMismatch(ValueError):
    """A value that is not of the annotated type; says which type is needed."""


def field_types(kind: type) -> dict[str, Any]:
    """The fields of a dataclass that its constructor takes, with their resolved types."""
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind) if field.init}


def convert(value: Any, annotation: Any) -> Any:
    """The value as the annotated type: lists become tuples, integers floats, dicts dataclasses.

    Understands int, float, str, bool, None, unions, `Literal`, `tuple[...]` and dataclasses.

    Raises:
      TypeMismatch: the value has another type; says which one is needed.
    """
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        return _convert_union(value, arguments)
    if origin is typing.Literal:
        if value not in arguments:
            raise TypeMismatch(f"one of {', '.join(map(repr, arguments))} is needed")
        return value
    if origin is tuple:
        return _convert_tuple(value, arguments)
    if annotation in (None, type(None)):
        if value is not None:
            raise TypeMismatch("None is needed")
        return None
    if dataclasses.is_dataclass(annotation):
        return _convert_dataclass(value, annotation)
    return _convert_plain(value, annotation)


def _convert_plain(value: Any, annotation: type) -> Any:
    if annotation is float and type(value) is int:
        return float(value)
    if type(value) is not annotation:
        raise TypeMismatch(f"{_NAMES.get(annotation, annotation.__name__)} is needed")
    return value


def _convert_union(value: Any, arguments: tuple[Any, ...]) -> Any:
    needed = []
    for argument in arguments:
        try:
            return convert(value, argument)
        except TypeMismatch as error:
            needed.append(str(error).removesuffix(" is needed"))
    raise TypeMismatch(f"{' or '.join(needed)} is needed")


def _convert_tuple(value: Any, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        example = "['a', 'b']" if arguments[0] is str else "[1, 2]"
        raise TypeMismatch(f"a list such as {example} is needed")
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return tuple(convert(item, arguments[0]) for item in value)
    if len(value) != len(arguments):
        raise TypeMismatch(f"a list of {len(arguments)} values is needed")
    return tuple(convert(item, kind) for item, kind in zip(value, arguments, strict=True))


def _convert_dataclass(value: Any, annotation: Any) -> Any:
    if isinstance(value, annotation):
        return value
    if not isinstance(value, dict):
        raise TypeMismatch(f"a dict of {annotation.__name__}'s fields is needed")
    fields = field_types(annotation)
    for name in value:
        if name not in fields:
            raise TypeMismatch(f"{name!r} is not one of its fields {', '.join(fields)}")
    return annotation(**{name: convert(item, fields[name]) for name, item in value.items()})
