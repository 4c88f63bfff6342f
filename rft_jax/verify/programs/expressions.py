"""Expressions of a program, a function for each kind of node."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from rft_jax.verify.programs.calls import count_parameters
from rft_jax.verify.programs.formats import format_number
from rft_jax.verify.programs.items import add_to_set, get_item, make_set, set_item
from rft_jax.verify.programs.limits import ProgramError, Unsupported, name_key
from rft_jax.verify.programs.operators import apply_binary, apply_unary, compare
from rft_jax.verify.programs.scopes import Frame, bound_names, target_names
from rft_jax.verify.programs.stdlib.methods import METHODS, PROPERTIES, knows_attribute
from rft_jax.verify.programs.values import (
    Function,
    Lazy,
    Module,
    Value,
    iterate,
    text_of,
    truth,
    type_name,
)

if TYPE_CHECKING:
    from rft_jax.verify.programs.machine import Machine

_CONSTANTS = frozenset((int, float, bool, str, type(None)))


def _constant(machine: Machine, node: ast.Constant) -> Value:
    value = node.value
    if type(value) not in _CONSTANTS:
        raise Unsupported(f"a literal of type {type(value).__name__}")
    if isinstance(value, int) and value.bit_length() > 64:
        machine.meter.need_bits(value.bit_length())
    return value


def _name(machine: Machine, node: ast.Name) -> Value:
    frame = machine.frame
    if node.id in frame.values:
        return frame.values[node.id]
    return frame.find(node.id, machine.builtins)


def _binary(machine: Machine, node: ast.BinOp) -> Value:
    spine = [node]
    while type(node.left) is ast.BinOp:  # a long sum leans to the left: no recursion
        node = node.left
        spine.append(node)
    value = machine.evaluate(node.left)
    machine.meter.step(len(spine) - 1)
    for operation in reversed(spine):
        right = machine.evaluate(operation.right)
        value = apply_binary(machine.meter, type(operation.op), value, right)
    return value


def _unary(machine: Machine, node: ast.UnaryOp) -> Value:
    value = machine.evaluate(node.operand)
    if isinstance(node.op, ast.Not):
        return not truth(value)
    return apply_unary(machine.meter, type(node.op), value)


def _boolean(machine: Machine, node: ast.BoolOp) -> Value:
    ends = isinstance(node.op, ast.Or)
    for operand in node.values:
        value = machine.evaluate(operand)
        if truth(value) is ends:
            break
    return value


def _comparison(machine: Machine, node: ast.Compare) -> bool:
    left = machine.evaluate(node.left)
    for operation, operand in zip(node.ops, node.comparators, strict=True):
        right = machine.evaluate(operand)
        if not compare(machine.meter, type(operation), left, right):
            return False
        left = right
    return True


def _conditional(machine: Machine, node: ast.IfExp) -> Value:
    return machine.evaluate(node.body if truth(machine.evaluate(node.test)) else node.orelse)


def _walrus(machine: Machine, node: ast.NamedExpr) -> Value:
    value = machine.evaluate(node.value)
    frame = machine.frame
    while frame.parent is not None and frame.is_comprehension:
        frame = frame.parent
    frame.set(node.target.id, value)
    return value


def elements(machine: Machine, nodes: list[ast.expr]) -> list[Value]:
    """The values of a display or of positional arguments, `*items` spread out."""
    values: list[Value] = []
    for node in nodes:
        if isinstance(node, ast.Starred):
            spread = list(iterate(machine.meter, machine.evaluate(node.value)))
            machine.meter.make_elements(len(spread))
            values += spread
        else:
            values.append(machine.evaluate(node))
    machine.meter.make_elements(len(nodes))
    return values


def _list(machine: Machine, node: ast.List) -> list[Value]:
    return elements(machine, node.elts)


def _tuple(machine: Machine, node: ast.Tuple) -> tuple[Value, ...]:
    return tuple(elements(machine, node.elts))


def _set(machine: Machine, node: ast.Set) -> set[Value]:
    return make_set(machine.meter, elements(machine, node.elts))


def _dict(machine: Machine, node: ast.Dict) -> dict[Value, Value]:
    made: dict[Value, Value] = {}
    for key, value in zip(node.keys, node.values, strict=True):
        if key is None:
            other = machine.evaluate(value)
            if type(other) is not dict:
                raise ProgramError("type", f"{type_name(other)!r} object is not a mapping")
            machine.meter.make_elements(4 * len(other))
            made.update(other)
        else:
            set_item(machine.meter, made, machine.evaluate(key), machine.evaluate(value))
    return made


def _joined(machine: Machine, node: ast.JoinedStr) -> str:
    text = "".join([machine.evaluate(part) for part in node.values])
    machine.meter.make_characters(len(text))
    return text


def _formatted(machine: Machine, node: ast.FormattedValue) -> str:
    value = machine.evaluate(node.value)
    if node.format_spec is None:
        if node.conversion not in (-1, ord("s"), ord("r")):
            raise Unsupported("the conversion !a")
        return text_of(machine.meter, value, quoted=node.conversion == ord("r"))
    spec = machine.evaluate(node.format_spec)
    if node.conversion != -1:
        raise Unsupported("a conversion with a format")
    return format_number(machine.meter, value, spec)


def _subscript(machine: Machine, node: ast.Subscript) -> Value:
    return get_item(machine.meter, machine.evaluate(node.value), machine.evaluate(node.slice))


def _slice(machine: Machine, node: ast.Slice) -> slice:
    bounds = [n if n is None else machine.evaluate(n) for n in (node.lower, node.upper, node.step)]
    return slice(*bounds)


def _attribute(machine: Machine, node: ast.Attribute) -> Value:
    """A module's constant or function, or one of the few properties of values."""
    owner = machine.evaluate(node.value)
    if type(owner) is Module and node.attr in owner.members:
        return owner.members[node.attr]
    if (type(owner), node.attr) in PROPERTIES:
        return PROPERTIES[type(owner), node.attr](owner)
    raise missing_attribute(owner, node.attr)


def missing_attribute(owner: Value, name: str) -> Exception:
    """Why an attribute cannot be had: CPython has it, or it has not."""
    if knows_attribute(owner, name):
        return Unsupported(f"{type_name(owner)}.{name}")
    return ProgramError("attribute", f"{type_name(owner)!r} object has no attribute {name!r}")


def _call(machine: Machine, node: ast.Call) -> Value:
    if isinstance(node.func, ast.Attribute):
        owner = machine.evaluate(node.func.value)
        method = METHODS.get((type(owner), node.func.attr))
        if method is not None:
            return method(machine, owner, *_arguments(machine, node))
        if type(owner) is not Module or node.func.attr not in owner.members:
            raise missing_attribute(owner, node.func.attr)
        function = owner.members[node.func.attr]
    else:
        function = machine.evaluate(node.func)
    return machine.call(function, *_arguments(machine, node))


def _arguments(machine: Machine, node: ast.Call) -> tuple[list[Value], dict[str, Value]]:
    positional = elements(machine, node.args)
    named: dict[str, Value] = {}
    for keyword in node.keywords:
        value = machine.evaluate(keyword.value)
        if keyword.arg is None and type(value) is not dict:
            raise ProgramError("type", "the argument after ** must be a mapping")
        for name, one in value.items() if keyword.arg is None else ((keyword.arg, value),):
            if type(name) is not str or name in named:
                raise ProgramError(
                    "type", f"keyword argument {name_key(name)} is repeated or not a string"
                )
            named[name] = one
    return positional, named


def _lambda(machine: Machine, node: ast.Lambda) -> Function:
    return make_function(machine, "<lambda>", node)


def make_function(machine: Machine, name: str, node: ast.FunctionDef | ast.Lambda) -> Function:
    """The function of a `def` or `lambda`; its defaults are evaluated now."""
    names, global_names = machine.once(node, bound_names)
    machine.meter.step(count_parameters(node.args) >> 4)
    keyword_only = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
    return Function(
        name,
        node.args,
        tuple(machine.evaluate(default) for default in node.args.defaults),
        {a.arg: machine.evaluate(d) for a, d in keyword_only if d is not None},
        node.body,
        names,
        global_names,
        machine.frame,
    )


def _comprehend(machine: Machine, node: Any, make: Callable[[], Value]) -> Iterator[Value]:
    """Yields what `make` returns for every round of a comprehension's `for` clauses.

    The first iterable is evaluated at once and outside, as Python does.
    """
    first = iterate(machine.meter, machine.evaluate(node.generators[0].iter))
    frame = Frame(machine.frame, machine.once(node, target_names), is_comprehension=True)

    def rounds(index: int, items: Iterator[Value]) -> Iterator[Value]:
        clause = node.generators[index]
        is_last = index + 1 == len(node.generators)
        for item in items:
            outer, machine.frame = machine.frame, frame
            try:
                machine.assign(clause.target, item)
                if clause.ifs and not all(truth(machine.evaluate(test)) for test in clause.ifs):
                    continue
                inner = make() if is_last else machine.evaluate(node.generators[index + 1].iter)
            finally:
                machine.frame = outer
            if is_last:
                yield inner
            else:
                yield from rounds(index + 1, iterate(machine.meter, inner))

    if any(clause.is_async for clause in node.generators):
        raise Unsupported("async")
    return rounds(0, first)


def _list_comprehension(machine: Machine, node: ast.ListComp) -> list[Value]:
    values = []
    for value in _comprehend(machine, node, lambda: machine.evaluate(node.elt)):
        machine.meter.make_elements(1)
        values.append(value)
    return values


def _set_comprehension(machine: Machine, node: ast.SetComp) -> set[Value]:
    made: set[Value] = set()
    for value in _comprehend(machine, node, lambda: machine.evaluate(node.elt)):
        add_to_set(machine.meter, made, value)
    return made


def _dict_comprehension(machine: Machine, node: ast.DictComp) -> dict[Value, Value]:
    made: dict[Value, Value] = {}
    pairs = _comprehend(
        machine, node, lambda: (machine.evaluate(node.key), machine.evaluate(node.value))
    )
    for key, value in pairs:
        set_item(machine.meter, made, key, value)
    return made


def _generator(machine: Machine, node: ast.GeneratorExp) -> Lazy:
    return Lazy(_comprehend(machine, node, lambda: machine.evaluate(node.elt)))


EXPRESSIONS: dict[type, Callable[[Machine, Any], Value]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.BinOp: _binary,
    ast.UnaryOp: _unary,
    ast.BoolOp: _boolean,
    ast.Compare: _comparison,
    ast.IfExp: _conditional,
    ast.NamedExpr: _walrus,
    ast.List: _list,
    ast.Tuple: _tuple,
    ast.Set: _set,
    ast.Dict: _dict,
    ast.JoinedStr: _joined,
    ast.FormattedValue: _formatted,
    ast.Subscript: _subscript,
    ast.Slice: _slice,
    ast.Attribute: _attribute,
    ast.Call: _call,
    ast.Lambda: _lambda,
    ast.ListComp: _list_comprehension,
    ast.SetComp: _set_comprehension,
    ast.DictComp: _dict_comprehension,
    ast.GeneratorExp: _generator,
}
