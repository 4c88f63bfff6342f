"""Arguments to parameters: how a call of a program's function binds them."""

from __future__ import annotations

import ast

from rft_jax.verify.programs.limits import ProgramError
from rft_jax.verify.programs.values import Function, Value


def bind(function: Function, positional: list[Value], named: dict[str, Value]) -> dict[str, Value]:
    """The values of a function's parameters in one call.

    Raises:
      ProgramError: an argument is missing, is there twice, or has no parameter.
    """
    parameters = function.parameters
    before_slash = [a.arg for a in parameters.posonlyargs]
    names = before_slash + [a.arg for a in parameters.args]
    bound = dict(zip(names, positional, strict=False))
    if parameters.vararg is not None:
        bound[parameters.vararg.arg] = tuple(positional[len(names) :])
    elif len(positional) > len(names):
        raise _error(function, f"takes {len(names)} arguments but {len(positional)} were given")
    by_name = {*names[len(before_slash) :], *(a.arg for a in parameters.kwonlyargs)}
    others: dict[str, Value] = {}
    for name, value in named.items():
        if name not in by_name:
            others[name] = value
        elif name in bound:
            raise _error(function, f"got multiple values for argument {name!r}")
        else:
            bound[name] = value
    if parameters.kwarg is not None:
        bound[parameters.kwarg.arg] = others
    elif others:
        raise _error(function, f"got an unexpected keyword argument {next(iter(others))!r}")
    defaults = dict(
        zip(names[len(names) - len(function.defaults) :], function.defaults, strict=True)
    )
    for name, value in {**defaults, **function.keyword_defaults}.items():
        bound.setdefault(name, value)
    missing = [n for n in [*names, *(a.arg for a in parameters.kwonlyargs)] if n not in bound]
    if missing:
        raise _error(function, f"missing argument {missing[0]!r}")
    return bound


def count_parameters(parameters: ast.arguments) -> int:
    """Number of parameters, without `*args` and `**kwargs`."""
    return len(parameters.posonlyargs) + len(parameters.args) + len(parameters.kwonlyargs)


def _error(function: Function, text: str) -> ProgramError:
    return ProgramError("type", f"{function.name}() {text}")
