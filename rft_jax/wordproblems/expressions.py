"""The answer to a story as an expression tree over the story's numbers.

A node has a value and sentences that may announce it. In a sentence `@` is replaced by the
annotated result (`The bags hold @ shells.`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from math import prod

SMALLEST, LARGEST = 2, 99
"""Bounds of every value in a story or a solution. At least 2, so that every noun is plural."""


@dataclass(frozen=True, slots=True)
class Partials:
    """Sentences for intermediate values of a solution that have no name in the story.

    Attributes:
      plus: for the sum of several positive amounts.
      left: for the remainder of such an amount after a subtraction.
      out: for the sum of amounts to be subtracted.
      part: for one addend of a distributed product or quotient, or a product of some factors.
    """

    plus: tuple[str, ...]
    left: tuple[str, ...]
    out: tuple[str, ...]
    part: tuple[str, ...]


@cache
def partials(unit: str) -> Partials:
    """Sentences for amounts that are written as `unit`, e.g. `@ shells` or `$@`."""
    return Partials(
        plus=(f"That makes {unit}.", f"Together that is {unit}."),
        left=(f"That leaves {unit}.", f"The difference is {unit}."),
        out=(f"That takes away {unit}.",),
        part=(f"One part is {unit}.", f"That part is {unit}."),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Number:
    """A number of the story."""

    value: int


@dataclass(frozen=True, slots=True, eq=False)
class Sum:
    """Terms added (+1) or subtracted (-1); the first is added."""

    terms: tuple[tuple[int, Node], ...]
    words: tuple[str, ...]
    partials: Partials
    value: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", sum(sign * node.value for sign, node in self.terms))


@dataclass(frozen=True, slots=True, eq=False)
class Product:
    """Factors multiplied."""

    factors: tuple[Node, ...]
    words: tuple[str, ...]
    partials: Partials
    value: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", prod(node.value for node in self.factors))


@dataclass(frozen=True, slots=True, eq=False)
class Quotient:
    """`top` divided by `bottom`, rounded down; `is_sound` checks that it is exact."""

    top: Node
    bottom: Node
    words: tuple[str, ...]
    partials: Partials
    value: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", self.top.value // max(self.bottom.value, 1))


Node = Number | Sum | Product | Quotient


def children(node: Node) -> tuple[Node, ...]:
    """The node's operands, in the order of the story."""
    if isinstance(node, Sum):
        return tuple(term for _, term in node.terms)
    if isinstance(node, Product):
        return node.factors
    if isinstance(node, Quotient):
        return node.top, node.bottom
    return ()


def count_operations(node: Node) -> int:
    """The number of binary operations in the tree."""
    operands = children(node)
    return max(len(operands) - 1, 0) + sum(map(count_operations, operands))


def is_sound(node: Node) -> bool:
    """Whether every value is in bounds when the tree is evaluated in the order of the story."""
    if not SMALLEST <= node.value <= LARGEST or not all(map(is_sound, children(node))):
        return False
    if isinstance(node, Quotient):
        return node.top.value == node.value * node.bottom.value
    if isinstance(node, Sum):
        return _all_allowed([s * t.value for s, t in node.terms], lambda a, b: a + b)
    if isinstance(node, Product):
        return _all_allowed([f.value for f in node.factors], lambda a, b: a * b)
    return True


def _all_allowed(values: list[int], combine: Callable[[int, int], int]) -> bool:
    total = values[0]
    for value in values[1:]:
        total = combine(total, value)
        if not SMALLEST <= total <= LARGEST:
            return False
    return True
