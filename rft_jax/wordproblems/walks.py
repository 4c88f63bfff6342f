"""A solution of a story problem: one random walk over its expression tree.

A walk chooses how terms and factors are grouped, whether a product or quotient of a sum is
distributed, the order of operands and of independent steps, and which operations share one
equation. Every intermediate value stays within the bounds; a walk that leaves them is rejected and
another one is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rft_jax.arithmetic.whole import PRECEDENCE, OutOfBounds, apply_whole
from rft_jax.wordproblems.cast import SMALLEST, StoryRandom
from rft_jax.wordproblems.expressions import (
    Node,
    Number,
    Partials,
    Product,
    Quotient,
    Sum,
    Winner,
)

FLATTEN = 0.5
"""Chance that a sum inside a sum loses its brackets."""
DISTRIBUTE = 0.15
"""Chance that a product or quotient of a sum is taken term by term."""
REGROUP = 0.3
"""Chance that two operands other than the first two are combined."""
SWAP = 0.2
"""Chance that the operands of an addition or a multiplication are swapped."""
REORDER = 0.25
"""Chance that the right side of an operation is worked out before its left side."""
INLINE = 0.15
"""Chance that an operation is written inside the equation that uses it."""
OPERATIONS_PER_EQUATION = 3
ATTEMPTS = 10_000

SYMBOLS = {symbol: symbol for symbol in "+-*/"}


class Operation:
    """A binary operation of a solution: its operands, its value, and sentences that announce it."""

    __slots__ = ("is_inline", "left", "right", "symbol", "value", "words")

    def __init__(
        self,
        symbol: str,
        left: Operand,
        right: Operand,
        largest: int,
        words: tuple[str, ...] = (),
    ):
        self.symbol, self.left, self.right, self.words = symbol, left, right, words
        self.value = apply_whole(symbol, value_of(left), value_of(right), SMALLEST, largest)
        self.is_inline = False


Operand = int | Operation


def value_of(operand: Operand) -> int:
    """The operand's number."""
    return operand if isinstance(operand, int) else operand.value


def sample_steps(tree: Node, rng: StoryRandom) -> list[Operation]:
    """One random solution: the operations with an equation of their own, in order."""
    for _ in range(ATTEMPTS):
        try:
            root = _plan(tree, rng)
        except OutOfBounds:
            continue
        if isinstance(root, int):
            raise ValueError(f"the tree is the number {root}, so there is nothing to solve")
        steps: list[Operation] = []
        _order(root, rng, OPERATIONS_PER_EQUATION - 1, steps)
        return steps
    raise ValueError(f"no solution stays within {SMALLEST}..{rng.largest}: the tree is not sound")


def equation(step: Operation) -> str:
    """The step as an annotation, with the result repeated after it: `<<3*4=12>>12`."""
    return f"<<{expression(step)}={step.value}>>{step.value}"


def expression(
    step: Operation,
    symbols: Mapping[str, str] = SYMBOLS,
    refer: Callable[[Operation], str] = lambda step: str(step.value),
) -> str:
    """The left side of the step's equation; inline operations are spelled out.

    Args:
      step: an operation with an equation of its own.
      symbols: how each of + - * / is written.
      refer: how an earlier step is referred to, by its value or by a name.
    """

    def side(operand: Operand, bare_from: int) -> str:
        if isinstance(operand, int):
            return str(operand)
        if not operand.is_inline:
            return refer(operand)
        text = expression(operand, symbols, refer)
        return text if PRECEDENCE[operand.symbol] >= bare_from else f"({text})"

    precedence = PRECEDENCE[step.symbol]
    left, right = side(step.left, precedence), side(step.right, precedence + 1)
    return f"{left}{symbols[step.symbol]}{right}"


def order_of_people(tree: Winner, rng: StoryRandom) -> list[tuple[str, Node]]:
    """The two people with their trees, in the order in which a solution takes them."""
    people = list(tree.people)
    if rng.random() < REORDER:
        people.reverse()
    return people


def _order(operation: Operation, rng: StoryRandom, capacity: int, steps: list[Operation]) -> int:
    """Appends the steps of the operands, then `operation` unless it is inline.

    Args:
      capacity: how many further operations the current equation may contain.
      steps: where they are appended.

    Returns:
      The capacity that is left.
    """
    sides = [s for s in (operation.left, operation.right) if isinstance(s, Operation)]
    if len(sides) == 2 and rng.random() < REORDER:
        sides.reverse()
    for side in sides:
        side.is_inline = capacity > 0 and rng.random() < INLINE
        if side.is_inline:
            capacity = _order(side, rng, capacity - 1, steps)
        else:
            _order(side, rng, OPERATIONS_PER_EQUATION - 1, steps)
    if not operation.is_inline:
        steps.append(operation)
    return capacity


def _plan(node: Node, rng: StoryRandom) -> Operand:
    """Turns the tree into binary operations."""
    if isinstance(node, Number):
        return node.value
    if isinstance(node, Sum):
        return _plan_sum(node, rng)
    if isinstance(node, Product):
        spread = rng.random() < DISTRIBUTE and _distribute_product(node)
        return _plan_sum(spread, rng) if spread else _plan_product(node, rng)
    spread = rng.random() < DISTRIBUTE and _distribute_quotient(node)
    if spread:
        return _plan_sum(spread, rng)
    return Operation("/", _plan(node.top, rng), _plan(node.bottom, rng), rng.largest, node.words)


def _plan_sum(node: Sum, rng: StoryRandom) -> Operand:
    pending = [(sign, _plan(term, rng)) for sign, term in _flat_terms(node, rng)]
    while len(pending) > 1:
        first, second = _choose_pair(len(pending), rng)
        other = pending.pop(second)
        words = node.words if len(pending) == 1 else None
        pending[first] = _add(pending[first], other, node.partials, words, rng)
    return pending[0][1]


def _flat_terms(node: Sum, rng: StoryRandom) -> list[tuple[int, Node]]:
    terms: list[tuple[int, Node]] = []
    for sign, term in node.terms:
        if isinstance(term, Sum) and rng.random() < FLATTEN:
            terms += [(sign * inner, deeper) for inner, deeper in _flat_terms(term, rng)]
        else:
            terms.append((sign, term))
    return terms


def _choose_pair(count: int, rng: StoryRandom) -> tuple[int, int]:
    if count == 2 or rng.random() >= REGROUP:
        return 0, 1
    first, second = rng.sample(range(count), 2)
    return min(first, second), max(first, second)


def _add(
    one: tuple[int, Operand],
    two: tuple[int, Operand],
    partial: Partials,
    words: tuple[str, ...] | None,
    rng: StoryRandom,
) -> tuple[int, Operand]:
    """Combines two signed terms into one; `words` are given when it is the whole sum."""
    (sign, left), (other_sign, right) = one, two
    if sign == other_sign:
        words = words or (partial.plus if sign > 0 else partial.out)
        return sign, _commutative("+", left, right, words, rng)
    if sign < 0:
        left, right = right, left
    if value_of(left) >= value_of(right):
        return 1, Operation("-", left, right, rng.largest, words or partial.left)
    return -1, Operation("-", right, left, rng.largest, words or partial.out)


def _commutative(
    symbol: str, left: Operand, right: Operand, words: tuple[str, ...], rng: StoryRandom
) -> Operation:
    if rng.random() < SWAP:
        left, right = right, left
    return Operation(symbol, left, right, rng.largest, words)


def _plan_product(node: Product, rng: StoryRandom) -> Operand:
    pending = [_plan(factor, rng) for factor in node.factors]
    while len(pending) > 1:
        first, second = _choose_pair(len(pending), rng)
        other = pending.pop(second)
        words = node.words if len(pending) == 1 else node.partials.part
        pending[first] = _commutative("*", pending[first], other, words, rng)
    return pending[0]


def _distribute_product(node: Product) -> Sum | None:
    """a * (b + c) as a * b + a * c, where one of two factors is a sum and the other a number."""
    if len(node.factors) != 2:
        return None
    one, two = node.factors
    if isinstance(one, Sum):
        one, two = two, one
    if not (isinstance(one, Number) and isinstance(two, Sum)):
        return None
    terms = tuple(
        (sign, Product((one, term), node.partials.part, node.partials)) for sign, term in two.terms
    )
    return Sum(terms, node.words, node.partials)


def _distribute_quotient(node: Quotient) -> Sum | None:
    """(a + b) / c as a / c + b / c, where c is a number and each division is exact."""
    top, bottom = node.top, node.bottom
    if not (isinstance(top, Sum) and isinstance(bottom, Number)):
        return None
    if any(term.value % bottom.value for _, term in top.terms):
        return None
    terms = tuple(
        (sign, Quotient(term, bottom, node.partials.part, node.partials))
        for sign, term in top.terms
    )
    return Sum(terms, node.words, node.partials)
