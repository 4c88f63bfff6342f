from __future__ import annotations

import time
from fractions import Fraction

import pytest

from rft_jax.verify.notation import tidy
from rft_jax.verify.values import Value, parse_value


@pytest.mark.parametrize(
    ("text", "number", "unit"),
    [
        ("18 eggs", 18, "eggs"),
        ("18 eggs a day", 18, "eggs a day"),
        ("18 (eggs)", 18, "eggs"),
        (r"18\text{ eggs}", 18, "eggs"),
        ("5 cm", 5, "cm"),
        ("5cm^2", 5, "cm^2"),
        (r"15\mbox{ cm}^2", 15, "cm^2"),
        ("12 square units", 12, "square units"),
        ("5 m/s", 5, "m/s"),
        (r"5\text{ m}/\text{s}", 5, "m/s"),
        ("28%", 28, "%"),
        ("28% of them", 28, "% of them"),
        (r"60^\circ", 60, r"^\circ"),
        (r"20^\circ\text{C}", 20, r"^\circC"),
        ("10:30 am", Fraction(1, 3), "am"),
        ("6:8", Fraction(3, 4), ""),
        ("2516_8", 2516, "base_8"),
        (r"2516_{\text{eight}}", 2516, "base_eight"),
        ("5 million", 5_000_000, ""),
        ("2.5 thousand dollars", 2500, "dollars"),
        ("2 dozen", 24, ""),
        ("5 hundred thousand", 500_000, ""),
        ("3 Million", 3_000_000, ""),
        ("3 millions of dollars", 3_000_000, "of dollars"),
        ("1 1/2 cups", Fraction(3, 2), "cups"),
    ],
)
def test_a_number_has_a_value_and_a_unit(text: str, number: Fraction, unit: str) -> None:
    value = parse_value(tidy(text))
    assert (value.number, value.unit, value.is_words) == (number, unit, False)


@pytest.mark.parametrize(
    "text", ["5ab", "2 n", "3 x y", "10-abc", "x+1", "2n-1", r"\sqrt{2}", r"2\sin x", "x cm"]
)
def test_letters_of_a_formula_are_not_a_unit(text: str) -> None:
    value = parse_value(tidy(text))
    assert (value.text, value.number, value.unit, value.is_words) == (tidy(text), None, "", False)


def test_a_formula_may_have_a_unit() -> None:
    assert parse_value(r"16\pi\text{cm}^3") == Value(r"16\pi", None, "cm^3")


@pytest.mark.parametrize("text", ["east", "no", "Tom and Bob", "twice as many", "x for any x"])
def test_words_are_words(text: str) -> None:
    assert parse_value(text).is_words


def test_words_and_single_letters_are_compared_without_case() -> None:
    assert parse_value("East").key == parse_value("east").key
    assert parse_value("B").key == parse_value("b").key
    assert parse_value("R^2").key != parse_value("r^2").key


@pytest.mark.parametrize(
    "piece",
    [
        "%",
        "°C",
        "° C",
        "°",
        "\\text{ab}",
        " \\text{ab}",
        " /\\text{s}",
        "cm",
        " m/s",
        " m^2",
        " (eggs)",
    ],
)
@pytest.mark.parametrize("end", ["", "+1"])
def test_a_long_row_of_units_is_read_at_once(piece: str, end: str) -> None:
    text = tidy("5" + 60 * piece + end)
    began = time.process_time()
    parse_value(text)
    assert time.process_time() - began < 1, "2^60 ways to read it"
