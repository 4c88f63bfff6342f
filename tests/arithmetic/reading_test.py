from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rft_jax.arithmetic.reading import Profile, asks_for_value, profile, read_tokens
from rft_jax.arithmetic.steps import evaluate, spelled, steps_of
from tests.arithmetic.exact import exact

RELEASED = [
    ("3468*4046/7424", Profile(2, 4, "integer")),
    ("(5367/2768)-5113-3824+(4564-3141)*6622", Profile(6, 4, "fraction")),
    ("5082.0353310247--9979*-6938.043", Profile(2, 4, "decimal")),
    ("(7.5-2)*[3+4%]", Profile(3, 1, "percent")),
    ("2--3", Profile(1, 1, "negative")),
]


@pytest.mark.parametrize(("text", "expected"), RELEASED)
def test_expressions_of_the_released_format_are_read(text: str, expected: Profile):
    tokens = read_tokens(text)
    assert spelled(tokens) == text
    assert profile(text, tokens) == expected
    assert evaluate(tokens) == exact(text)


@pytest.mark.parametrize(
    "text",
    [
        "-(3+4)*2",
        "8/-(2+2)",
        "-[(-3)]",
        "(((5)))",
        "2-(-3)",
        "-.5*4.",
        "((3+4))*2",
        "2*[((3-4)/5)]",
        "-(-(3+4))",
    ],
)
def test_signs_before_brackets_and_redundant_brackets_are_read(text: str):
    assert evaluate(read_tokens(text)) == exact(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "3+",
        "3 + 4",
        "(3",
        "3)",
        "(3]",
        "3++4",
        "2**3",
        "x",
        "()",
        "3%4",
        "--3",
        "1e5",
        "1,000",
        "٣",
    ],
)
def test_other_texts_are_refused(text: str):
    with pytest.raises(ValueError, match=r"\S"):
        read_tokens(text)
    assert not asks_for_value(f"{text}=")


@given(st.text("0123456789.+-*/%()[]", max_size=30))
def test_what_is_read_has_the_value_that_the_verifier_finds(text: str):
    try:
        tokens = read_tokens(text)
    except ValueError:
        return
    try:
        value = evaluate(tokens)
    except ZeroDivisionError:
        return
    assert value == exact(text)


NUMBERS = st.from_regex(r"-?[0-9]{1,3}(\.[0-9])?%?", fullmatch=True)
EXPRESSIONS = st.recursive(
    NUMBERS,
    lambda inner: (
        st.builds("{}{}{}".format, inner, st.sampled_from("+-*/"), inner)
        | st.builds("({})".format, inner)
        | st.builds("-[{}]".format, inner)
    ),
    max_leaves=6,
)


@given(EXPRESSIONS)
def test_every_form_of_an_expression_equals_it(text: str):
    text = text.replace("--", "-")
    try:
        tokens = read_tokens(text)
        value, steps = evaluate(tokens), list(steps_of(tokens))
    except ZeroDivisionError:
        return
    assert value == exact(text)
    assert all(exact(step.form) == value for step in steps[:-1])


def test_a_very_long_expression_is_refused():
    with pytest.raises(ValueError, match="at most 10000"):
        read_tokens("1" * 10_001)


def test_only_an_expression_and_its_sign_ask_for_a_value():
    assert asks_for_value("12+3*4=") and asks_for_value("(7.5-2)*[3+4%]=")
    assert not any(map(asks_for_value, ("12+3*4", "How many is 3+4=", "3+4=7", "=", "How many?")))
