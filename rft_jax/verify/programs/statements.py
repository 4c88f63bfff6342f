"""Statements of a program, a function for each kind of node.

A handler returns None to go on, or what ends the block around it.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rft_jax.verify.programs.errors import ErrorType
from rft_jax.verify.programs.expressions import make_function
from rft_jax.verify.programs.items import delete_item, get_item, set_item
from rft_jax.verify.programs.limits import BudgetSpent, ProgramError, Unsupported
from rft_jax.verify.programs.operators import apply_binary
from rft_jax.verify.programs.stdlib.modules import IGNORED_MODULES, MODULES
from rft_jax.verify.programs.values import Value, iterate, listed, text_of, truth

if TYPE_CHECKING:
    from rft_jax.verify.programs.machine import Machine

BREAK, CONTINUE = "break", "continue"


@dataclass(frozen=True, slots=True)
class Returned:
    """A `return` was executed; `value` is what the call is."""

    value: Value


def _expression(machine: Machine, node: ast.Expr) -> None:
    machine.evaluate(node.value)


def _assign(machine: Machine, node: ast.Assign) -> None:
    value = machine.evaluate(node.value)
    for target in node.targets:
        machine.assign(target, value)


def _annotated(machine: Machine, node: ast.AnnAssign) -> None:
    """The annotation is not evaluated: it may name types that are not known here."""
    if node.value is not None:
        machine.assign(node.target, machine.evaluate(node.value))


def _augmented(machine: Machine, node: ast.AugAssign) -> None:
    target = node.target
    if isinstance(target, ast.Name):
        old = machine.frame.find(target.id, {})
        machine.frame.set(target.id, _changed(machine, node, old))
    elif isinstance(target, ast.Subscript):
        owner, key = machine.evaluate(target.value), machine.evaluate(target.slice)
        old = get_item(machine.meter, owner, key)
        set_item(machine.meter, owner, key, _changed(machine, node, old))
    else:
        raise Unsupported(f"assigning to {type(target).__name__}")


def _changed(machine: Machine, node: ast.AugAssign, old: Value) -> Value:
    """The new value; lists, sets and dicts change in place, as all that refer to them see."""
    value = machine.evaluate(node.value)
    if type(old) is list and isinstance(node.op, ast.Add):
        old.extend(listed(machine.meter, value))
        return old
    new = apply_binary(machine.meter, type(node.op), old, value)
    if type(old) is set or type(old) is dict:
        old.clear()
        old.update(new)
        return old
    if type(old) is list:
        old[:] = new
        return old
    return new


def _if(machine: Machine, node: ast.If) -> object:
    return machine.execute(node.body if truth(machine.evaluate(node.test)) else node.orelse)


def _while(machine: Machine, node: ast.While) -> object:
    while truth(machine.evaluate(node.test)):
        ended = machine.execute(node.body)
        if ended is BREAK:
            return None
        if isinstance(ended, Returned):
            return ended
        machine.line = node.lineno
    return machine.execute(node.orelse)


def _for(machine: Machine, node: ast.For) -> object:
    for item in iterate(machine.meter, machine.evaluate(node.iter)):
        machine.assign(node.target, item)
        ended = machine.execute(node.body)
        if ended is BREAK:
            return None
        if isinstance(ended, Returned):
            return ended
    return machine.execute(node.orelse)


def _function(machine: Machine, node: ast.FunctionDef) -> None:
    if node.decorator_list:
        raise Unsupported("decorators")
    machine.frame.set(node.name, make_function(machine, node.name, node))


def _return(machine: Machine, node: ast.Return) -> Returned:
    return Returned(None if node.value is None else machine.evaluate(node.value))


def _import(machine: Machine, node: ast.Import) -> None:
    for alias in node.names:
        if alias.name in IGNORED_MODULES:
            continue
        if alias.name not in MODULES:
            raise Unsupported(f"import {alias.name}")
        machine.frame.set(alias.asname or alias.name, MODULES[alias.name])


def _import_from(machine: Machine, node: ast.ImportFrom) -> None:
    if node.module in IGNORED_MODULES:
        return
    module = MODULES.get(node.module or "")
    if module is None or node.level:
        raise Unsupported(f"import {node.module}")
    for alias in node.names:
        if alias.name == "*":
            for name, value in module.members.items():
                machine.frame.set(name, value)
        elif alias.name not in module.members:
            raise Unsupported(f"import {node.module}.{alias.name}")
        else:
            machine.frame.set(alias.asname or alias.name, module.members[alias.name])


def _delete(machine: Machine, node: ast.Delete) -> None:
    for target in node.targets:
        if isinstance(target, ast.Name):
            machine.frame.delete(target.id)
        elif isinstance(target, ast.Subscript):
            owner, key = machine.evaluate(target.value), machine.evaluate(target.slice)
            delete_item(machine.meter, owner, key)
        else:
            raise Unsupported(f"deleting {type(target).__name__}")


def _assert(machine: Machine, node: ast.Assert) -> None:
    if not truth(machine.evaluate(node.test)):
        said = "" if node.msg is None else text_of(machine.meter, machine.evaluate(node.msg))
        raise ProgramError("assertion", said[:200])


def _raise(machine: Machine, node: ast.Raise) -> None:
    call = node.exc
    kind = machine.evaluate(call.func if isinstance(call, ast.Call) else call) if call else None
    if type(kind) is not ErrorType:
        raise Unsupported("raising anything but a built-in error")
    said = call.args if isinstance(call, ast.Call) else []
    text = ", ".join(text_of(machine.meter, machine.evaluate(argument)) for argument in said)
    raise ProgramError(kind.kinds[0], f"{kind.name}: {text}"[:200])


def _try(machine: Machine, node: ast.Try) -> object:
    try:
        ended = _try_body(machine, node)
    except BudgetSpent:
        raise  # nothing of the program runs after this
    except ProgramError:
        ended = machine.execute(node.finalbody)
        if ended is None:
            raise
        return ended
    last = machine.execute(node.finalbody)
    return ended if last is None else last


def _try_body(machine: Machine, node: ast.Try) -> object:
    frame = machine.frame
    try:
        ended = machine.execute(node.body)
    except BudgetSpent:
        raise
    except ProgramError as error:
        machine.frame = frame
        for handler in node.handlers:
            if _handles(machine, handler, error):
                return machine.execute(handler.body)
        raise
    return machine.execute(node.orelse) if ended is None else ended


def _handles(machine: Machine, handler: ast.ExceptHandler, error: ProgramError) -> bool:
    if handler.type is not None:
        named = machine.evaluate(handler.type)
        types = named if type(named) is tuple else (named,)
        if not all(type(one) is ErrorType for one in types):
            raise ProgramError("type", "catching classes other than errors")
        if not any(error.kind in one.kinds for one in types):
            return False
    if handler.name and machine.once(handler, _reads_error):
        raise Unsupported("the text of an error")
    return True


def _reads_error(handler: ast.ExceptHandler) -> bool:
    nodes = (node for statement in handler.body for node in ast.walk(statement))
    return any(isinstance(node, ast.Name) and node.id == handler.name for node in nodes)


STATEMENTS: dict[type, Callable[[Machine, Any], object]] = {
    ast.Expr: _expression,
    ast.Assign: _assign,
    ast.AnnAssign: _annotated,
    ast.AugAssign: _augmented,
    ast.If: _if,
    ast.While: _while,
    ast.For: _for,
    ast.Break: lambda _machine, _node: BREAK,
    ast.Continue: lambda _machine, _node: CONTINUE,
    ast.Pass: lambda _machine, _node: None,
    ast.Global: lambda _machine, _node: None,
    ast.Nonlocal: lambda _machine, _node: None,
    ast.FunctionDef: _function,
    ast.Return: _return,
    ast.Import: _import,
    ast.ImportFrom: _import_from,
    ast.Delete: _delete,
    ast.Assert: _assert,
    ast.Raise: _raise,
    ast.Try: _try,
}
