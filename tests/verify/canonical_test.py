from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rft_jax.verify.canonical import canonical_text, spell_number
from rft_jax.verify.expressions import exact_postfix


def _canonical(text: str) -> str:
    return canonical_text(exact_postfix(text))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("1+2", "2+1"),
        ("3+4*2", "2*4+3.0"),
        ("10-3+2", "2+10-3"),
        ("6*4/3", "4/3*6"),
        ("(1+2)*3", "3*(2+1)"),
        ("1,000+5", "5.0+1000"),
        ("-(1+2)", "-2-1"),
        ("50%*20", "20*50%"),
    ],
)
def test_the_order_of_operands_does_not_show_in_the_canonical_text(a: str, b: str) -> None:
    assert _canonical(a) == _canonical(b)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("1-2", "2-1"),
        ("4/2", "2/4"),
        ("2*3+4", "2*(3+4)"),
        ("6/2", "3"),
        ("1+1", "2*1"),
        ("2**3", "3**2"),
        ("7%3", "3%7"),
        ("1/5/7", "0.2/7"),
        ("8/(4/2)", "8/4/2"),
    ],
)
def test_other_calculations_have_other_canonical_texts(a: str, b: str) -> None:
    assert _canonical(a) != _canonical(b)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 50), min_size=2, max_size=6), st.randoms(use_true_random=False))
def test_a_shuffled_sum_of_products_is_the_same(numbers: list[int], rng: random.Random) -> None:
    terms = [f"{n}*{n + 1}" if n % 2 else str(n) for n in numbers]
    first = "+".join(terms)
    rng.shuffle(terms)
    assert _canonical("+".join(terms)) == _canonical(first)


def test_one_spelling_for_a_number() -> None:
    assert {spell_number(text) for text in ("1,200", "1200.", "1200.00", "01200", "1.2e3")} == {
        "1200"
    }
    assert spell_number(".50") == "0.5"
    assert spell_number("0") == spell_number("0.0") == "0"
