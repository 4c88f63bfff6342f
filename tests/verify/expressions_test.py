from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rft_jax.verify.expressions import (
    MAX_BITS,
    MAX_CHARS,
    MAX_DEPTH,
    MalformedError,
    exact_postfix,
    exact_value,
    python_postfix,
    python_value,
)
from tests.rft.paper_script import evaluate

_ATOMS = st.one_of(
    st.integers(0, 99).map(str),
    st.sampled_from(
        [
            "0",
            "00",
            "0_0",
            "007",
            "1_000",
            "1__0",
            ".5",
            "5.",
            "1.50",
            "1e3",
            "1E-2",
            "0x1F",
            "0b11",
            "0o17",
            "1e400",
            "1j",
            "08",
            "08.5",
            "1e",
            "1.2.3",
            "5x",
        ]
    ),
)
_SPACE = st.sampled_from(["", "", "", " ", "\t", "  "])
_EXPRESSIONS = st.recursive(
    _ATOMS,
    lambda inner: st.one_of(
        st.tuples(
            inner, _SPACE, st.sampled_from(["+", "-", "*", "/", "//", "%"]), _SPACE, inner
        ).map("".join),
        st.tuples(inner, st.just("**"), st.sampled_from(["2", "-1", "0.5", "0", "-2**2"])).map(
            "".join
        ),
        st.tuples(st.sampled_from(["-", "+", "--"]), inner).map("".join),
        st.tuples(st.just("("), _SPACE, inner, _SPACE, st.just(")")).map("".join),
    ),
    max_leaves=6,
)


def _python(text: str) -> float | None:
    """What Python makes of a text, as the paper's script sees it; None where that fails."""
    try:
        return float(evaluate(text))  # type: ignore[arg-type]
    except Exception:
        return None


def _ours(text: str) -> float | None:
    try:
        return python_value(python_postfix(text))
    except (MalformedError, ArithmeticError):
        return None


def _same(a: float | None, b: float | None) -> bool:
    if a is None or b is None:
        return a is b
    return a == b or (math.isnan(a) and math.isnan(b))


@settings(max_examples=500, deadline=None)
@given(_EXPRESSIONS)
def test_an_expression_has_the_value_that_python_gives_it(text: str) -> None:
    assert _same(_ours(text), _python(text)), text


@settings(max_examples=500, deadline=None)
@given(
    st.text(alphabet="0123456789.+-*/%()_ eExj\n\t", max_size=12).filter(lambda t: "**" not in t)
)
def test_any_string_of_arithmetic_signs_is_read_as_python_reads_it(text: str) -> None:
    assert _same(_ours(text), _python(text)), repr(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("-2**2", -4.0),
        ("2**-1", 0.5),
        ("2**3**2", 512.0),
        ("7//2*2", 6.0),
        ("-7//2", -4.0),
        ("-7%3", 2.0),
        ("10**400/10**399", 10.0),
        ("(1+\n2)", 3.0),
        ("1+2\n", 3.0),
        ("\n1+2", 3.0),
        ("1_0+0x10", 26.0),
    ],
)
def test_python_arithmetic(text: str, value: float) -> None:
    assert _ours(text) == value == _python(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "()",
        "1+",
        "*1",
        "1 2",
        "(1",
        "1)",
        "5(3)",
        "1,000",
        "1\n+2",
        "\n 1",
        "２+２",
        "1+1\0",
        "abs(-3)",
        "True",
        "1<2",
        "3j",
        "__import__('os')",
        "9**9**9**9",
        "9**99999",
        "(2**10000)*(2**10001)",
        "1" * 4301,
        "1+" * MAX_CHARS,
        "(" * (MAX_DEPTH + 1) + "1" + ")" * (MAX_DEPTH + 1),
    ],
)
def test_other_text_or_text_beyond_the_limits_is_malformed(text: str) -> None:
    with pytest.raises(MalformedError):
        python_value(python_postfix(text))


def test_nesting_is_allowed_as_deep_as_python_allows_it() -> None:
    deepest = "(" * MAX_DEPTH + "1" + ")" * MAX_DEPTH
    assert _ours(deepest) == _python(deepest) == 1.0


@pytest.mark.parametrize(
    "text", ["1/0", "1//0", "1%0", "0**-1", "(-8)**0.5", "1e308*10//1", "10.0**400"]
)
def test_what_has_no_real_value_is_an_arithmetic_error(text: str) -> None:
    if text == "1e308*10//1":  # nan
        assert math.isnan(python_value(python_postfix(text)))
    else:
        with pytest.raises(ArithmeticError):
            python_value(python_postfix(text))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1,000*2", Fraction(2000)),
        ("$5 + $2.50", Fraction(15, 2)),
        ("50%*20", Fraction(10)),
        ("20*50%", Fraction(10)),
        ("50%", Fraction(1, 2)),
        ("10%3", Fraction(1)),
        ("10%(3)", Fraction(1)),
        ("50%-3", Fraction(-5, 2)),
        ("0.1+0.2", Fraction(3, 10)),
        ("3×4÷2", Fraction(6)),
        ("5−3", Fraction(2)),
        ("2**-3", Fraction(1, 8)),
        ("7//2", Fraction(3)),
        ("1e3", Fraction(1000)),
    ],
)
def test_people_write_numbers_in_other_ways_too(text: str, value: Fraction) -> None:
    assert exact_value(exact_postfix(text)) == value


@pytest.mark.parametrize("text", ["1,00", "2**0.5", "5 of 3", "1e9999", "9**9**9", "x", "%5"])
def test_exact_arithmetic_refuses_what_is_not_rational_or_too_large(text: str) -> None:
    with pytest.raises(MalformedError):
        exact_value(exact_postfix(text))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("+-*/"), st.integers(1, 99)), min_size=1, max_size=8))
def test_exact_values_agree_with_fractions(steps: list[tuple[str, int]]) -> None:
    text, terms = "1", [Fraction(1)]
    for sign, number in steps:
        text += f"{sign}{number}"
        if sign in "*/":
            terms[-1] = terms[-1] * number if sign == "*" else terms[-1] / number
        else:
            terms.append(Fraction(number) if sign == "+" else Fraction(-number))
    assert exact_value(exact_postfix(text)) == sum(terms)


def test_the_largest_numbers_that_pass_are_bounded() -> None:
    assert python_value(python_postfix(f"2**{MAX_BITS - 1}%7")) in range(7)
    with pytest.raises(MalformedError):
        python_value(python_postfix(f"2**{MAX_BITS + 1}%7"))
