"""The machine that a program runs on: its frame, its meter, its output; one node at a time."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rft_jax.verify.programs.calls import bind, count_parameters
from rft_jax.verify.programs.expressions import EXPRESSIONS
from rft_jax.verify.programs.items import set_item, unpack
from rft_jax.verify.programs.limits import Limits, Meter, ProgramError, Unsupported
from rft_jax.verify.programs.scopes import Frame
from rft_jax.verify.programs.statements import STATEMENTS, Returned
from rft_jax.verify.programs.values import Builtin, Function, Value, type_name


class Machine:
    """Evaluates one program.

    Args:
      limits: its budgets.
      builtins: what names mean that the program does not bind.

    Attributes:
      meter: what has been used.
      frame: where names are looked up now.
      output: what was printed.
      line: of the statement under way.
    """

    def __init__(self, limits: Limits, builtins: Mapping[str, Value]) -> None:
        self.meter = Meter(limits)
        self._most_steps = limits.steps
        self.builtins = builtins
        self.frame = Frame()
        self.frame.values["__name__"] = "__main__"
        self.output: list[str] = []
        self.line = 0
        self._results: dict[ast.AST, Any] = {}

    def once(self, node: ast.AST, find: Callable[[Any], Any]) -> Any:
        """`find(node)`, computed when it is asked for first; a node has one `find` alone."""
        if node not in self._results:
            self._results[node] = find(node)
        return self._results[node]

    def evaluate(self, node: ast.expr) -> Value:
        """The value of an expression.

        Raises:
          ProgramError: the program's own mistake, or a budget is spent.
          Unsupported: a kind of node that is not evaluated here.
        """
        meter = self.meter
        if meter.steps >= self._most_steps:
            meter.step()
        meter.steps += 1  # as `meter.step` does, without a call: there is one for every node
        handler = EXPRESSIONS.get(type(node))
        if handler is None:
            raise Unsupported(type(node).__name__)
        return handler(self, node)

    def execute(self, block: Sequence[ast.stmt]) -> object:
        """Executes statements; returns what ended them early (see `statements`), or None."""
        meter = self.meter
        for node in block:
            if meter.steps >= self._most_steps:
                meter.step()
            meter.steps += 1  # as in `evaluate`
            self.line = node.lineno
            handler = STATEMENTS.get(type(node))
            if handler is None:
                raise Unsupported(type(node).__name__)
            ended = handler(self, node)
            if ended is not None:
                return ended
        return None

    def assign(self, target: ast.expr, value: Value) -> None:
        """Binds a value to a name, an element, or several targets."""
        if type(target) is ast.Name:
            self.frame.set(target.id, value)
        elif isinstance(target, ast.Subscript):
            owner = self.evaluate(target.value)
            set_item(self.meter, owner, self.evaluate(target.slice), value)
        elif isinstance(target, ast.Tuple | ast.List):
            self._unpack(target.elts, value)
        else:
            raise Unsupported(f"assigning to {type(target).__name__}")

    def _unpack(self, targets: list[ast.expr], value: Value) -> None:
        starred = [i for i, target in enumerate(targets) if isinstance(target, ast.Starred)]
        before = starred[0] if starred else len(targets)
        after = len(targets) - before - 1 if starred else None
        for target, item in zip(targets, unpack(self.meter, value, before, after), strict=True):
            self.assign(target.value if isinstance(target, ast.Starred) else target, item)

    def call(self, function: Value, positional: list[Value], named: dict[str, Value]) -> Value:
        """Calls a function of the program's or of the library."""
        if type(function) is Builtin:
            return function.call(self, positional, named)
        if type(function) is not Function:
            raise ProgramError("type", f"{type_name(function)!r} object is not callable")
        self.meter.step(count_parameters(function.parameters) >> 4)
        self.meter.enter()
        frame = Frame(function.frame, function.names, function.global_names)
        frame.values.update(bind(function, positional, named))
        outer, line = self.frame, self.line
        self.frame = frame
        try:
            if isinstance(function.body, ast.expr):
                value = self.evaluate(function.body)
            else:
                ended = self.execute(function.body)
                value = ended.value if isinstance(ended, Returned) else None
            self.line = line  # an error keeps the line where it arose
            return value
        finally:
            self.frame = outer
            self.meter.calls -= 1
