"""Which part of Python is unsupported: what the tables of the evaluator lack."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Container

from rft_jax.verify.programs.expressions import EXPRESSIONS
from rft_jax.verify.programs.statements import STATEMENTS
from rft_jax.verify.programs.stdlib.builtins import BUILTINS
from rft_jax.verify.programs.stdlib.methods import METHODS, PROPERTIES
from rft_jax.verify.programs.stdlib.modules import MODULES

# Kinds of nodes that stand for themselves only within others, which evaluate them.
_WITHIN_OTHERS = ("Starred",)
# Types whose methods programs call.
_TYPES: tuple[type, ...] = (str, list, dict, set)


def supported_modules() -> tuple[str, ...]:
    """The modules that a program may import."""
    return tuple(MODULES)


def unsupported_parts() -> dict[str, list[str]]:
    """Statements, expressions, built-in names and methods that get the verdict `unsupported`."""
    methods = {kind.__name__: _methods_of(kind) for kind in _TYPES}
    return {
        "statements": _nodes(ast.stmt, STATEMENTS),
        "expressions": _nodes(ast.expr, EXPRESSIONS),
        "built-in names": [name for name in dir(builtins) if _is_function(name)],
        **{f"methods of {kind}": names for kind, names in methods.items() if names},
        "formats": ["all but {}, {:.nf}, {:,}, {:d} and {:.n%}; the operator %"],
    }


def _nodes(base: type, handlers: Container[type]) -> list[str]:
    kinds: list[type] = base.__subclasses__()
    named = {kind.__name__ for kind in kinds if kind.__module__ == "ast" and kind not in handlers}
    return sorted(named.difference(_WITHIN_OTHERS))


def _is_function(name: str) -> bool:
    """Whether Python has a function of that name and programs do not."""
    return name.islower() and not name.startswith("_") and not dict.__contains__(BUILTINS, name)


def _methods_of(kind: type) -> list[str]:
    return [
        name
        for name in dir(kind)
        if not name.startswith("_") and not {(kind, name)} & {*METHODS, *PROPERTIES}
    ]
