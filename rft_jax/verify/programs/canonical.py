"""One spelling for programs that differ in names, comments and the order of operands alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from rft_jax.verify.programs.limits import Limits, ProgramError
from rft_jax.verify.programs.source import parse_program

_COMMUTES = (ast.Add, ast.Mult)


def program_key(source: str) -> str:
    """The program's syntax with variables renamed in the order of their first use.

    Comments, docstrings and type annotations are gone, and the operands of sums and products are
    sorted. Any other text is its own key.
    """
    try:
        tree = parse_program(source, Limits())
    except ProgramError:
        return source
    return _Speller(tree).spell(tree)


class _Speller:
    """Spells nodes; names that the program binds become v0, v1, … as they are met."""

    def __init__(self, tree: ast.Module) -> None:
        self._own = frozenset(_bound_anywhere(tree))
        self._new: dict[str, str] = {}

    def _name(self, name: str) -> str:
        return self._new.setdefault(name, f"v{len(self._new)}") if name in self._own else name

    def spell(self, node: object) -> str:
        """The spelling of a node, of a list of nodes, or of a plain field."""
        if isinstance(node, list):
            spelled = [self.spell(one) for one in node if not _is_docstring(one)]
            return f"[{','.join(spelled)}]"
        if isinstance(node, ast.BinOp):
            return self._operation(node)
        if isinstance(node, ast.Constant):
            return f"{type(node.value).__name__}:{node.value!r}"
        if not isinstance(node, ast.AST):
            return repr(node)
        return f"{type(node).__name__}({','.join(self._fields(node))})"

    def _fields(self, node: ast.AST) -> Iterator[str]:
        for field, value in ast.iter_fields(node):
            if field in ("annotation", "returns", "type_comment", "ctx", "kind"):
                continue
            if field in ("id", "arg", "name") and isinstance(value, str):
                yield self._name(value)
            elif isinstance(node, ast.Global | ast.Nonlocal):
                yield ",".join(sorted(map(self._name, value)))
            else:
                yield self.spell(value)

    def _operation(self, node: ast.expr) -> str:
        """One kind of operator at a time, from the left; the operands of `+` and `*` sorted."""
        spine: list[ast.BinOp] = []
        while isinstance(node, ast.BinOp):
            spine.append(node)
            node = node.left
        kind, operands = type(spine[-1].op), [self.spell(node)]
        for operation in reversed(spine):
            if type(operation.op) is not kind:
                operands = [_joined(kind, operands)]
                kind = type(operation.op)
            operands.append(self.spell(operation.right))
        return _joined(kind, operands)


def _joined(kind: type[ast.operator], operands: list[str]) -> str:
    return f"{kind.__name__}({','.join(sorted(operands) if kind in _COMMUTES else operands)})"


def _is_docstring(node: object) -> bool:
    is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return is_text and isinstance(node.value.value, str)  # type: ignore[attr-defined]


def _bound_anywhere(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.FunctionDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.alias):
            yield node.asname or ""
