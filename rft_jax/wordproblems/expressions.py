"""The answer to a story as an expression tree over the story's numbers.

A node has a value and sentences that may announce it. In a sentence `@` is replaced by the
annotated result (`The bags hold @ shells.`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from math import prod
from operator import add, mul

from rft_jax.wordproblems.cast import LARGEST, SMALLEST


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


@dataclass(frozen=True, slots=True, eq=False)
class Winner:
    """Which of two people has most (or fewest) things; the value is a name.

    Attributes:
      people: each one's name and the tree of what that person has.
      has_most: whether the larger amount wins.
      words: sentences that announce the winner, `@`.
    """

    people: tuple[tuple[str, Node], tuple[str, Node]]
    has_most: bool
    words: tuple[str, ...]

    @property
    def value(self) -> str:
        """The winner's name; the first person's if both have the same, which is not sound."""
        best = max if self.has_most else min
        return best(self.people, key=lambda person: person[1].value)[0]


Tree = Node | Winner
"""A story's answer: a number, or the name of a person."""


def children(node: Node) -> tuple[Node, ...]:
    """The node's operands, in the order of the story."""
    if isinstance(node, Sum):
        return tuple(term for _, term in node.terms)
    if isinstance(node, Product):
        return node.factors
    if isinstance(node, Quotient):
        return node.top, node.bottom
    return ()


def count_operations(tree: Tree) -> int:
    """The number of binary operations in the tree; comparing two people is none."""
    if isinstance(tree, Winner):
        return sum(count_operations(node) for _, node in tree.people)
    operands = children(tree)
    return max(len(operands) - 1, 0) + sum(map(count_operations, operands))


def is_sound(node: Tree, largest: int = LARGEST) -> bool:
    """Whether every value is in bounds when the tree is evaluated in the order of the story."""
    if isinstance(node, Winner):
        (_, one), (_, other) = node.people
        return one.value != other.value and is_sound(one, largest) and is_sound(other, largest)
    if not SMALLEST <= node.value <= largest:
        return False
    if not all(is_sound(operand, largest) for operand in children(node)):
        return False
    if isinstance(node, Quotient):
        return node.top.value == node.value * node.bottom.value
    if isinstance(node, Sum):
        return _all_allowed([s * t.value for s, t in node.terms], add, largest)
    if isinstance(node, Product):
        return _all_allowed([f.value for f in node.factors], mul, largest)
    return True


def _all_allowed(values: list[int], combine: Callable[[int, int], int], largest: int) -> bool:
    total = values[0]
    for value in values[1:]:
        total = combine(total, value)
        if not SMALLEST <= total <= largest:
            return False
    return True
