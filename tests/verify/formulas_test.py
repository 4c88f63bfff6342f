from __future__ import annotations

import pytest
import sympy

from rft_jax.verify.formulas import equal, factor, parse_formula, value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2(3)", "6"),
        ("(2)(3)", "6"),
        ("2^35", "2**35"),
        ("1 1/2 x", "3*x/2"),
        (r"2\frac{1}{2}(4)", "10"),
        ("0.1+0.2", "3/10"),
        ("(1+i)^2", "(1+I)**2"),
        (r"\log_2 8", "3"),
        (r"\sin^2(0)", "0"),
        (r"\cos 60^\circ", "1/2"),
    ],
)
def test_a_formula_is_read(text: str, expected: str) -> None:
    assert sympy.simplify(parse_formula(text) - sympy.sympify(expected)).subs({}) == 0 or (
        str(sympy.simplify(parse_formula(text))) == str(sympy.sympify(expected))
    )


@pytest.mark.parametrize(
    "text",
    [
        "5 7",
        "2.5.5",
        "1e5x",
        "A^T",
        "x'",
        "3:2",
        "x @ y",
        "7+",
        r"7\cdot",
        "7^",
        "",
        r"\text{m}",
        "(",
    ],
)
def test_what_the_parser_would_misread_is_not_read(text: str) -> None:
    assert parse_formula(text) is None
    assert not equal((text, ""), (text, ""))


def test_upper_and_lower_case_are_two_variables_and_i_is_not_imaginary_in_capitals() -> None:
    assert parse_formula("T - t") != 0
    assert parse_formula("I^2") != -1
    assert parse_formula("i^2").doit() == -1


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (("2", "hours"), ("120", "minutes"), True),
        (("2", "hr"), ("120", "min"), True),
        (("1", "square feet"), ("144", "square inches"), True),
        (("1", "m^2"), ("10000", "cm^2"), True),
        (("90", "km per hour"), ("25", "m/s"), True),
        (("5", "apples"), ("5", "oranges"), False),
        (("5", "apples a day"), ("5", "apple a day"), True),
        (("50", "%"), (r"\frac{1}{2}", ""), True),
        (("180", r"^\circ"), (r"\pi", ""), True),
        (("5", "cm"), ("5", ""), False),
        (("2516", "base_8"), ("2516", "base_9"), False),
    ],
)
def test_units_are_compared_by_what_they_measure(
    left: tuple[str, str], right: tuple[str, str], expected: bool
) -> None:
    assert equal(left, right) == equal(right, left) == expected


@pytest.mark.parametrize(
    ("left", "right", "sign"),
    [
        (("2x", "=", "6"), ("x", "=", "3"), 1),
        (("y", "=", "3x-2"), ("3x-y", "=", "2"), -1),
        (("y/x", "=", "2"), ("y", "=", "2x"), 1),
        (("2x", "<", "6"), ("x", "<", "3"), 1),
        (("-2x", "<", "6"), ("x", ">", "-3"), -1),
        (("x", "=", "3"), ("x", "=", "4"), 0),
        (("x^2", "=", "-1"), ("x^2", "=", "-5"), 0),
        (("1", "=", "2"), ("3", "=", "4"), 0),
        (("x", "=", "x"), ("y", "=", "y"), 0),
        (("x", "<", "7+"), ("x", "<", "7+"), 0),
    ],
)
def test_a_constant_factor_turns_one_relation_into_another(
    left: tuple[str, str, str], right: tuple[str, str, str], sign: int
) -> None:
    assert factor(left, right) == sign


def test_a_value_has_sixty_digits_and_formulas_with_variables_have_three() -> None:
    assert value(r"\sqrt{2}")[0].startswith(
        "1.4142135623730950488016887242096980785696718753769480"
    )
    assert value("x+1") == value("1+x") != value("x+2")
    assert len(value("x+1")) == 3
    assert value(r"\frac10") == value(r"\infty") == value("7+") == []
