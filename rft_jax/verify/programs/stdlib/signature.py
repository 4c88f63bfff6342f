"""Library functions written in Python, with their arguments checked before they are called."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

from rft_jax.verify.programs.limits import ProgramError
from rft_jax.verify.programs.operators import check_number, guarded
from rft_jax.verify.programs.values import NUMBERS, Value, type_name


def checked(name: str, function: Callable[..., Value], own: int = 1) -> Callable[..., Value]:
    """`function` behind a check that a program's arguments fit its signature.

    Args:
      own: its first parameters, which are ours: the machine, and a method's owner.
    """
    parameters = list(inspect.signature(function).parameters.values())[own:]
    plain = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    spread = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    low = sum(p.default is p.empty for p in plain)
    by_name: dict[str, float] = {
        p.name: i for i, p in enumerate(parameters) if p.kind is p.POSITIONAL_OR_KEYWORD
    }
    by_name |= {p.name: math.inf for p in parameters if p.kind is p.KEYWORD_ONLY}
    all_names = any(p.kind is p.VAR_KEYWORD for p in parameters)

    def call(*arguments: Any) -> Value:
        *ours, positional, named = arguments
        count = len(positional)
        if count < low or (count > len(plain) and not spread):
            raise ProgramError("type", f"{name}() does not take {count} arguments")
        for argument in named:
            if not all_names and by_name.get(argument, -1) < count:
                raise ProgramError("type", f"{name}() got an unexpected argument {argument!r}")
        return function(*ours, *positional, **named)

    return call


def numeric(name: str, function: Callable[..., Value], count: int = 1) -> Callable[..., Value]:
    """One of Python's functions of numbers, which makes no larger ones."""

    def call(machine: Any, positional: list[Value], named: dict[str, Value]) -> Value:
        if named or len(positional) != count:
            raise ProgramError("type", f"{name}() takes {count} arguments")
        for value in positional:
            if type(value) not in NUMBERS:
                raise ProgramError("type", f"{name}(): must be a number, not {type_name(value)}")
        return check_number(machine.meter, guarded(function, *positional))

    return call
