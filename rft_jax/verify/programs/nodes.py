"""The nodes within a node of a syntax tree, without the names, operators and marks beside them."""

from __future__ import annotations

import ast
from functools import cache
from typing import Any

_OTHERS = frozenset(
    [
        *("arg", "attr", "conversion", "ctx", "id", "is_async", "kwd_attrs", "level", "module"),
        *("name", "names", "op", "ops", "rest", "simple", "type_comment", "type_ignores"),
    ]
)
_LITERALS = (ast.Constant, ast.MatchSingleton)


def children(node: ast.AST) -> list[ast.AST]:
    """The expressions, statements and their parts that stand directly within a node."""
    found: list[ast.AST] = []
    kind: Any = type(node)
    for field in _fields(kind):
        value = getattr(node, field)
        if type(value) is list:
            found += value if None not in value else [one for one in value if one is not None]
        elif isinstance(value, ast.AST):
            found.append(value)
    return found


@cache
def _fields(kind: type[ast.AST]) -> tuple[str, ...]:
    if kind in _LITERALS:
        return ()
    return tuple(field for field in kind._fields if field not in _OTHERS)
