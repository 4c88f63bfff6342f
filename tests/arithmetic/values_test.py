from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rft_jax.arithmetic.values import rounded, simplified, spell, spell_answer
from tests.arithmetic.exact import exact


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Fraction(5, 2), "2.5"),
        (Fraction(-1, 8), "-0.125"),
        (Fraction(10, 3), "(10/3)"),
        (Fraction(-1, 6), "(-1/6)"),
        (Fraction(1, 3125), "0.00032"),
        (-7, "-7"),
    ],
)
def test_values_are_decimals_where_they_end_and_fractions_else(value, text: str):
    assert spell(value) == text


@given(st.fractions())
def test_a_spelled_value_reads_as_itself(value: Fraction):
    assert exact(spell(simplified(value))) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Fraction(1, 200), "0.01"),
        (Fraction(-1, 200), "-0.01"),
        (Fraction(1, 201), "0"),
        (Fraction(-1, 201), "0"),
        (Fraction(5, 2), "2.5"),
        (Fraction(1999, 1000), "2"),
        (1234, "1234"),
    ],
)
def test_answers_are_rounded_to_two_decimals_halves_away_from_zero(value, text: str):
    assert spell_answer(value) == text


@given(st.fractions())
def test_rounding_is_to_the_nearest_hundredth(value: Fraction):
    error = abs(rounded(value) - value)
    assert error <= Fraction(1, 200) and (rounded(value) * 100).denominator == 1
    assert error < Fraction(1, 200) or abs(rounded(value)) > abs(value)
