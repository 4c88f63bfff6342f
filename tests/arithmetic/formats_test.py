from __future__ import annotations

import re
from itertools import islice

import pytest

from rft_jax.arithmetic.formats import FORMATS
from rft_jax.arithmetic.generator import Line, lines
from rft_jax.arithmetic.reading import plain_steps, read_tokens, turned
from rft_jax.arithmetic.scratchpad import working
from rft_jax.arithmetic.settings import ArithmeticSettings
from rft_jax.arithmetic.steps import Step, steps_of
from rft_jax.commands.tools import ARITHMETIC_FORMS
from rft_jax.verify.equations import check_exact


def test_every_format_can_be_named_on_the_command_line() -> None:
    assert tuple(FORMATS) == ARITHMETIC_FORMS


def line_of(expression: str) -> Line:
    return Line(expression, tuple(steps_of(read_tokens(expression))))


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("steps", "12+12=24"),
        ("direct", "24"),
        ("reversed", "<21+21=42"),
        ("scratchpad", "{3*4=12}12+12={2+2+0=4,1+1+0=2}24"),
    ],
)
def test_formats_of_one_line(form: str, text: str):
    assert FORMATS[form](line_of("12+3*4")) == text


def test_a_quotient_that_does_not_end_stays_a_fraction_until_the_answer():
    assert FORMATS["steps"](line_of("20/6+1-2")) == "(10/3)+1-2=(13/3)-2=2.33"
    assert FORMATS["steps"](line_of("(10/3)*6-1")) == "20-1=19"


def test_all_formats_are_read_as_steps():
    for one in islice(lines(ArithmeticSettings(), "train", 0), 500):
        steps = FORMATS["steps"](one)
        assert plain_steps(steps) == plain_steps(FORMATS["reversed"](one)) == steps
        assert plain_steps(FORMATS["scratchpad"](one)) == steps
        assert plain_steps(FORMATS["direct"](one)) == steps.rpartition("=")[2]


def test_turning_twice_changes_nothing_and_signs_stay_in_front():
    assert turned("-12.34+(10/3)-5%") == "-43.21+(01/3)-5%"
    assert turned(turned("-12.34+(10/3)-5%")) == "-12.34+(10/3)-5%"


@pytest.mark.parametrize(
    ("step", "text"),
    [
        (("+", 128, 367), "{8+7+0=15,2+6+1=9,1+3+0=4}"),
        (("-", 128, 367), "{7-8-0=9,6-2-1=3,3-1-0=2}"),
        (("-", 5, -7), "{5+7+0=12}"),
        (("+", 5, -7), "{7-5-0=2}"),
        (("*", 128, 67), "{128*7=896,128*60=7680,896+7680=8576}"),
        (("*", 12, 0), "{12*0=0}"),
        (("/", 8, 2), ""),
    ],
)
def test_the_working_of_an_operation(step: tuple, text: str):
    assert working(Step(*step, form="")) == text


def test_workings_end_in_the_digits_of_the_result():
    settings = ArithmeticSettings(operations=(1.0,), signs=(1.0, 1.0, 1.0, 0.0), fractions=0.0)
    for one in islice(lines(settings, "train", 0), 500):
        (step,) = one.steps
        left, right = (str(v) for v in (step.left, step.right))
        if "/" in left + right:  # decimals: the unit of the digits is another
            continue
        result = abs(
            {"+": step.left + step.right, "-": step.left - step.right}.get(
                step.sign, step.left * step.right
            )
        )
        items = working(step).strip("{}").split(",")
        if step.sign == "*":
            assert all(check_exact(item) == "correct" for item in items)
            assert int(items[-1].rpartition("=")[2]) == result
        else:
            digits = [re.split(r"=", item)[1] for item in items]
            text = "".join(reversed([*[d[-1] for d in digits[:-1]], digits[-1]]))
            assert int(text) == result
