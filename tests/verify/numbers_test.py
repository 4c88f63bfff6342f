from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rft_jax.verify.numbers import parse_decimal, parse_number


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("18", Fraction(18)),
        ("18.", Fraction(18)),
        ("18.00", Fraction(18)),
        ("018", Fraction(18)),
        ("+18", Fraction(18)),
        ("-3", Fraction(-3)),
        ("−3", Fraction(-3)),
        ("－3", Fraction(-3)),
        ("- 3", Fraction(-3)),
        ("1,234,567", Fraction(1234567)),
        ("1,234.50", Fraction(2469, 2)),
        ("$5", Fraction(5)),
        ("\\$5", Fraction(5)),
        ("-$5.25", Fraction(-21, 4)),
        ("$-5.25", Fraction(-21, 4)),
        ("€1,000", Fraction(1000)),
        ("50%", Fraction(1, 2)),
        ("50\\%", Fraction(1, 2)),
        ("-12.5 %", Fraction(-1, 8)),
        ("3/4", Fraction(3, 4)),
        ("-3 / 4", Fraction(-3, 4)),
        ("1 1/2", Fraction(3, 2)),
        ("-1 1/2", Fraction(-3, 2)),
        ("\\frac{3}{4}", Fraction(3, 4)),
        ("-\\dfrac{ 3 }{ 4 }", Fraction(-3, 4)),
        (".5", Fraction(1, 2)),
        ("1.5e3", Fraction(1500)),
        ("2E-2", Fraction(1, 50)),
        ("0.1", Fraction(1, 10)),
        (" 7 ", Fraction(7)),
    ],
)
def test_a_plain_number_is_read_exactly(text: str, value: Fraction) -> None:
    assert parse_number(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "-",
        "$",
        "%",
        "1,2",
        "1,23,456",
        ",123",
        "1.2.3",
        "--3",
        "1/0",
        "1 1/0",
        "nan",
        "inf",
        "1e",
        "1e99999",
        "１８",
        "5 apples",
        "x",
        "1_000",
        "0x10",
        "(5)",
        "9" * 5000,
    ],
)
def test_anything_else_is_no_number(text: str) -> None:
    assert parse_number(text) is None


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6))
def test_any_decimal_keeps_its_value(value: object) -> None:
    assert parse_number(f"{value:f}") == Fraction(f"{value:f}")
    assert parse_number(f"{value:,f}") == Fraction(f"{value:f}")


@given(st.text(max_size=30))
def test_no_text_raises(text: str) -> None:
    number = parse_number(text)
    assert number is None or isinstance(number, Fraction)


def test_a_decimal_has_no_sign_of_its_own() -> None:
    assert parse_decimal("1,234.5") == Fraction(2469, 2)
    assert parse_decimal("-1") is None
