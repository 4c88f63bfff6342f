from __future__ import annotations

import pytest

from rft_jax.wordproblems.expressions import (
    Node,
    Number,
    Product,
    Quotient,
    Sum,
    count_operations,
    is_sound,
    partials,
)

UNIT = partials("@ shells")
WORDS = ("There are @ shells.",)


def total(*values: int | Node) -> Sum:
    """The sum of numbers (negative ones subtracted) and nodes."""
    terms = tuple(
        ((1 if v > 0 else -1), Number(abs(v))) if isinstance(v, int) else (1, v) for v in values
    )
    return Sum(terms, WORDS, UNIT)


def product(*values: int | Node) -> Product:
    nodes = tuple(Number(v) if isinstance(v, int) else v for v in values)
    return Product(nodes, WORDS, UNIT)


def quotient(top: int | Node, bottom: int) -> Quotient:
    return Quotient(Number(top) if isinstance(top, int) else top, Number(bottom), WORDS, UNIT)


def test_a_tree_knows_its_value_and_how_many_operations_it_takes():
    tree = quotient(total(product(3, 4), 20, -8), 6)
    assert tree.value == (3 * 4 + 20 - 8) // 6
    assert count_operations(tree) == 4
    assert count_operations(Number(5)) == 0


@pytest.mark.parametrize(
    "tree",
    [
        total(60, 39),
        total(5, -3, 90),
        product(3, 33),
        quotient(98, 49),
    ],
)
def test_a_tree_within_the_bounds_is_sound(tree: Node):
    assert is_sound(tree)


@pytest.mark.parametrize(
    "tree",
    [
        total(60, 40),
        total(60, 50, -30),  # 110 on the way
        total(5, -4, 10),  # 1 on the way
        total(3, -8),
        product(5, 5, 5),
        quotient(10, 3),
        quotient(5, 5),
        total(product(2, 50), -20),
        Number(1),
    ],
)
def test_a_tree_that_leaves_the_bounds_anywhere_is_not_sound(tree: Node):
    assert not is_sound(tree)
