"""One spelling for expressions that differ in the order of sums and products alone."""

from __future__ import annotations

from typing import TypeAlias

from rft_jax.verify.expressions import Postfix, exact_number

# atom, sum or product; the text of an atom, the signed terms or factors of the others
_Node: TypeAlias = tuple[str, list[str]]


def canonical_text(postfix: Postfix) -> str:
    """One spelling for expressions that differ in the order of sums and products alone.

    `3+4*2` and `2*4 + 3.0` are both `+(*2*4)+3`. Terms keep their signs and factors their side of
    the fraction bar; nothing is computed.
    """
    stack: list[_Node] = []
    for kind, value in postfix:
        if kind != "operator":
            stack.append(("atom", [spell_number(value)]))
        elif value == "u+":
            continue
        elif value == "u-":
            stack[-1] = ("sum", [_negated(term) for term in _operands(stack[-1], "sum", "+")])
        elif value == "percent":
            stack[-1] = ("product", [*_operands(stack[-1], "product", "*"), "/100"])
        else:
            right = stack.pop()
            stack[-1] = _join(value, stack[-1], right)
    return _written(stack.pop())


def spell_number(text: str) -> str:
    """One spelling of a decimal: `1,200`, `1200.` and `1200.0` are all `1200`."""
    text = text.replace(",", "")
    if "e" in text or "E" in text:
        return str(exact_number(text))
    whole, _, decimals = text.partition(".")
    decimals = decimals.rstrip("0")
    whole = whole.lstrip("0") or "0"
    return f"{whole}.{decimals}" if decimals else whole


def _join(name: str, left: _Node, right: _Node) -> _Node:
    if name in ("+", "-"):
        terms = _operands(right, "sum", "+")
        return "sum", _operands(left, "sum", "+") + (
            terms if name == "+" else [_negated(term) for term in terms]
        )
    if name in ("*", "/"):
        factors = _operands(right, "product", "*")
        return "product", _operands(left, "product", "*") + (
            factors if name == "*" else [_inverted(factor) for factor in factors]
        )
    return "atom", [f"({_written(left)}){name}({_written(right)})"]


def _operands(node: _Node, kind: str, sign: str) -> list[str]:
    """The signed terms of a sum, or the factors of a product; anything else is one by itself."""
    return node[1] if node[0] == kind else [sign + _bracketed(node)]


def _bracketed(node: _Node) -> str:
    return node[1][0] if node[0] == "atom" else f"({_written(node)})"


def _negated(term: str) -> str:
    return ("-" if term[0] == "+" else "+") + term[1:]


def _inverted(factor: str) -> str:
    return ("/" if factor[0] == "*" else "*") + factor[1:]


def _written(node: _Node) -> str:
    return node[1][0] if node[0] == "atom" else "".join(sorted(node[1]))
