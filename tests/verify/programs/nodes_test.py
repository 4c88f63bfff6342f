"""The walk through a program's nodes, against that of the standard library."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from rft_jax.verify.programs.nodes import children

_MARKS = (ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.expr_context, ast.alias)
EVERY_KIND = """
@decorated
async def f(a, /, b: int = 1, *c, d, e=2, **g) -> str:
    global x
    async with a as b, c:
        pass
    async for i in b:
        await i
    return [*c, {**d, 1: 2}, {1, 2}, (yield), (yield from d)]
class A(B, metaclass=C):
    x: int = 1
    del x[1:2, ::3]
try:
    import a.b as c
    from d import e
except* (A, B) as error:
    raise E from error
else:
    assert x, "y"
finally:
    x = y = lambda *a, b=1: not -a if a and b else ~b
match x:
    case {"a": 1, **rest} | A(1, b=2) | [1, *_] | None if x:
        x @= 1
    case other as named:
        nonlocal x
while 1 < x <= 3:
    f"{x!r:>{y}}"; (z := [i async for i in x if i for j in i])
    continue
else:
    {i: i for i in x}, {i for i in x}, (i for i in x), ..., 1j, b""
"""


def _standard(node: ast.AST) -> list[ast.AST]:
    return [one for one in ast.iter_child_nodes(node) if not isinstance(one, _MARKS)]


@pytest.mark.parametrize("source", [EVERY_KIND, Path(__file__).read_text()])
def test_the_children_of_every_node_are_those_of_the_standard_library(source: str) -> None:
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, _MARKS):
            assert children(node) == _standard(node)
