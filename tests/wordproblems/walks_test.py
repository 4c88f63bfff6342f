from __future__ import annotations

import pytest

from rft_jax.wordproblems.cast import StoryRandom
from rft_jax.wordproblems.expressions import Node, Number, Product, Quotient, Sum, partials
from rft_jax.wordproblems.walks import expression, sample_steps

UNIT = partials("@ shells")
WORDS = ("There are @ shells.",)


def total(*terms: tuple[int, Node]) -> Sum:
    return Sum(terms, WORDS, UNIT)


def walks(tree: Node, draws: int = 3000) -> set[tuple[str, ...]]:
    rng = StoryRandom(0)
    return {tuple(map(expression, sample_steps(tree, rng))) for _ in range(draws)}


def test_the_walks_over_a_chain_are_all_its_orders_and_groupings():
    tree = total((1, Number(20)), (1, Number(7)), (-1, Number(5)))
    assert walks(tree) == {
        ("20+7", "27-5"), ("7+20", "27-5"), ("20+7-5",), ("7+20-5",),
        ("20-5", "15+7"), ("20-5", "7+15"), ("20-5+7",), ("7+(20-5)",),
        ("7-5", "20+2"), ("7-5", "2+20"), ("20+(7-5)",), ("7-5+20",),
    }  # fmt: skip


def test_losses_may_be_added_first_and_gains_offset_against_larger_losses():
    tree = total((1, Number(50)), (1, Number(4)), (-1, Number(9)), (-1, Number(20)))
    found = walks(tree)
    assert ("50+4", "9+20", "54-29") in found
    assert ("9-4", "50-5", "45-20") in found


def test_a_product_of_a_sum_is_also_taken_term_by_term():
    tree = Product((Number(3), total((1, Number(4)), (1, Number(6)))), WORDS, UNIT)
    found = walks(tree)
    assert {("4+6", "3*10"), ("3*4", "3*6", "12+18"), ("3*(4+6)",), ("3*4+3*6",)} <= found


def test_a_quotient_of_a_sum_is_taken_term_by_term_only_where_it_is_exact():
    exact = Quotient(total((1, Number(12)), (1, Number(18))), Number(6), WORDS, UNIT)
    other = Quotient(total((1, Number(13)), (1, Number(17))), Number(6), WORDS, UNIT)
    assert ("12/6", "18/6", "2+3") in walks(exact)
    assert walks(other) == {("13+17", "30/6"), ("17+13", "30/6"), ("(13+17)/6",), ("(17+13)/6",)}


def test_a_walk_that_would_leave_the_bounds_is_never_taken():
    tree = total((1, Number(60)), (-1, Number(20)), (1, Number(55)))
    used = {step for walk in walks(tree) for step in walk}
    assert not used & {"60+55", "55+60", "60+55-20", "55+60-20"}
    assert ("60-20", "40+55") in walks(tree)


def test_independent_steps_come_in_either_order():
    one = Product((Number(2), Number(3)), WORDS, UNIT)
    two = Product((Number(4), Number(5)), WORDS, UNIT)
    found = walks(total((1, one), (1, two)))
    assert ("2*3", "4*5", "6+20") in found
    assert ("4*5", "2*3", "6+20") in found


def test_no_equation_holds_more_than_three_operations():
    tree = total(*((1, Number(n)) for n in (2, 3, 4, 5, 6)))
    longest = max(sum(map(step.count, "+-*/")) for walk in walks(tree, 20000) for step in walk)
    assert longest == 3


def test_a_tree_without_a_solution_is_an_error_and_not_an_endless_search():
    with pytest.raises(ValueError, match="sound"):
        sample_steps(total((1, Number(90)), (1, Number(90))), StoryRandom(0))
    with pytest.raises(ValueError, match="nothing to solve"):
        sample_steps(Number(5), StoryRandom(0))
