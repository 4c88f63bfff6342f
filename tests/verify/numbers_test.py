from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rft_jax.verify.numbers import ROUNDED_DIGITS, is_decimal, parse_decimal, parse_number, rounds


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
        ("3/4", Fraction(3, 4)),
        ("-3 / 4", Fraction(-3, 4)),
        ("1 1/2", Fraction(3, 2)),
        ("-1 1/2", Fraction(-3, 2)),
        ("\\frac{3}{4}", Fraction(3, 4)),
        ("-\\dfrac{ 3 }{ 4 }", Fraction(-3, 4)),
        ("\\frac34", Fraction(3, 4)),
        ("1\\frac{1}{2}", Fraction(3, 2)),
        ("-2 \\frac12", Fraction(-5, 2)),
        ("11 5/6", Fraction(71, 6)),
        ("1 234 567", Fraction(1234567)),
        ("0.\\overline{3}", Fraction(1, 3)),
        ("-0.1\\overline{6}", Fraction(-1, 6)),
        ("2.\\bar{09}", Fraction(23, 11)),
        ("6.02\\times10^{23}", Fraction(602 * 10**21)),
        ("2.5 \\cdot 10^{-3}", Fraction(1, 400)),
        ("3 x 10^2", Fraction(300)),
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
        "50%",
        "5 7",
        "1 23 456",
        "1 1",
        "0.\\overline{}",
        "1\\frac12\\frac12",
        "\\frac{1}{0}",
        "1x2",
        "9" * 5000,
    ],
)
def test_anything_else_is_not_a_number(text: str) -> None:
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


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0.5", True), ("1,234.5", True), ("-.5", True), ("5", False), ("5.", False), ("x", False)],
)
def test_a_decimal_has_digits_after_its_point(text: str, expected: bool) -> None:
    assert is_decimal(text) == expected


@pytest.mark.parametrize(
    ("text", "exact", "expected"),
    [
        ("0.333333", Fraction(1, 3), True),
        ("0.33333", Fraction(1, 3), False),  # five digits
        ("0.333334", Fraction(1, 3), False),
        ("0.666667", Fraction(2, 3), True),
        ("0.666666", Fraction(2, 3), True),  # cut off
        ("0.0833333333333333", Fraction(1, 12), True),
        ("0.083333", Fraction(1, 12), False),  # zeros in front do not count
        ("-0.333333", Fraction(-1, 3), True),
        ("-0.333333", Fraction(1, 3), False),
        ("33333.3", Fraction(100_000, 3), True),
        ("3.33333e4", Fraction(100_000, 3), True),
        ("0.1250001", Fraction(1, 8), False),
        ("0.0000001", Fraction(0), False),
    ],
)
def test_a_decimal_of_six_digits_rounds_an_exact_value(
    text: str, exact: Fraction, expected: bool
) -> None:
    assert rounds(text, exact) == expected


@given(st.fractions(min_value=Fraction(1, 1000)), st.integers(ROUNDED_DIGITS, 30))
def test_any_value_is_rounded_by_its_own_first_digits_and_not_by_their_neighbours(
    exact: Fraction, digits: int
) -> None:
    with localcontext(prec=digits):
        rounded = Decimal(exact.numerator) / exact.denominator
    with localcontext(prec=digits + 2):
        text = f"{rounded:.{digits - 1}e}"
        neighbour = Decimal(text) + 2 * Decimal((0, (1,), Decimal(text).as_tuple().exponent))
        assert rounds(text, exact)
        assert not rounds(f"{neighbour:.{digits - 1}e}", exact)
