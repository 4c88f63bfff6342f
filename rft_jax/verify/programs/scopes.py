"""Where a program's names live: frames, and the names that a function binds."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rft_jax.verify.programs.limits import ProgramError
from rft_jax.verify.programs.nodes import children

_FUNCTIONS = (ast.FunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


class Frame:
    """The names of a module, of a call, or of a comprehension.

    Args:
      parent: the frame around it; None for the module.
      names: what belongs to this frame, bound yet or not; a module's names are those it has.
      global_names: what is declared `global` here.
      is_comprehension: whether `:=` binds in the frame around it.
    """

    __slots__ = ("global_names", "is_comprehension", "names", "parent", "values")

    def __init__(
        self,
        parent: Frame | None = None,
        names: frozenset[str] = frozenset(),
        global_names: frozenset[str] = frozenset(),
        is_comprehension: bool = False,
    ) -> None:
        self.parent, self.names, self.global_names = parent, names, global_names
        self.is_comprehension = is_comprehension
        self.values: dict[str, Any] = {}

    def owner(self, name: str) -> Frame:
        """The frame that a name belongs to: the nearest that binds it, or the module's."""
        frame = self
        while frame.parent is not None and name not in frame.names:
            frame = frame.module() if name in frame.global_names else frame.parent
        return frame

    def module(self) -> Frame:
        """The outermost frame."""
        frame = self
        while frame.parent is not None:
            frame = frame.parent
        return frame

    def find(self, name: str, otherwise: Mapping[str, Any]) -> Any:
        """The value of a name.

        Args:
          otherwise: what names mean that no frame has.

        Raises:
          ProgramError: it has none, or none yet.
        """
        values = self.values if name in self.values else self.owner(name).values
        if name in values:
            return values[name]
        if self.owner(name).parent is None and name in otherwise:
            return otherwise[name]
        raise ProgramError("name", f"name {name!r} is not defined")

    def set(self, name: str, value: Any) -> None:
        """Binds a name where it belongs, which is here if it is bound here or this is a module."""
        is_here = self.parent is None or name in self.values
        (self if is_here else self.owner(name)).values[name] = value

    def delete(self, name: str) -> None:
        """Unbinds a name."""
        if self.owner(name).values.pop(name, self) is self:
            raise ProgramError("name", f"name {name!r} is not defined")


def bound_names(function: ast.FunctionDef | ast.Lambda) -> tuple[frozenset[str], frozenset[str]]:
    """The names that belong to a function's own frame, and those it declares `global`."""
    arguments = function.args
    names = {a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
    names |= {a.arg for a in (arguments.vararg, arguments.kwarg) if a is not None}
    body = function.body if isinstance(function, ast.FunctionDef) else [function.body]
    elsewhere: set[str] = set()
    global_names: set[str] = set()
    for node in _own_nodes(body):
        if isinstance(node, ast.Global):
            global_names.update(node.names)
        elif isinstance(node, ast.Nonlocal):
            elsewhere.update(node.names)
        else:
            names.update(_bindings(node))
    return frozenset(names - elsewhere - global_names), frozenset(global_names)


def _bindings(node: Any) -> Iterable[str]:
    kind = type(node)
    if kind is ast.Name:
        return () if type(node.ctx) is ast.Load else (node.id,)
    if kind is ast.FunctionDef:
        return (node.name,)
    if kind in (ast.Import, ast.ImportFrom):
        return [alias.asname or alias.name.partition(".")[0] for alias in node.names]
    if kind is ast.ExceptHandler and node.name:
        return (node.name,)
    return ()


def _own_nodes(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """The nodes of a body but those of functions in it; of comprehensions, `:=` and the first
    iterable alone bind in the function."""
    waiting: list[Any] = list(body)
    while waiting:
        node = waiting.pop()
        yield node
        kind = type(node)
        if kind in _FUNCTIONS:
            waiting += node.args.defaults + [d for d in node.args.kw_defaults if d is not None]
        elif kind in _COMPREHENSIONS:
            inner = [n for n in ast.walk(node) if isinstance(n, ast.NamedExpr)]
            waiting += [named.target for named in inner]
        else:
            waiting += children(node)


def target_names(comprehension: Any) -> frozenset[str]:
    """The names that a comprehension's `for` clauses bind."""
    return frozenset(
        node.id
        for generator in comprehension.generators
        for node in ast.walk(generator.target)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    )
