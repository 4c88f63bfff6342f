"""The operations of an equation, which texts and programs share."""

from __future__ import annotations

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from rft_jax.verify.operations import operations
from rft_jax.verify.programs.run import evaluate_program
from rft_jax.verify.programs.trace import as_equations


@pytest.mark.parametrize(
    ("equation", "expected"),
    [
        ("48/2=24", ("48/2",)),
        ("48+24=72", ("24+48",)),
        ("24+48.0=72", ("24+48",)),
        ("2+3*4=14", ("3*4", "12+2")),
        ("(2+3)*4=20", ("2+3", "4*5")),
        ("7-(-2)=9", ("7--2",)),
        ("50%*$1,200=600", ("0.5*1200",)),
        ("2+3=1+4=5", ("2+3", "1+4")),
        ("1/3*6=2", ("1/3", "0.333333333333*6")),
        ("(0.1+0.2)*3=0.9", ("0.1+0.2", "0.3*3")),
        ("10**15/1+1=2", ("10**15", "1000000000000000/1", "1+1000000000000000")),
        ("4**0.5+1=3", ("4**0.5", "1+2")),
        ("(-8)**0.5+1=3", ("(-8)**0.5+1=3",)),
        ("1e308*10*2=0", ("1e308*10*2=0",)),
        ("5=5", ("5=5",)),
        ("x+1=2", ("x+1=2",)),
        ("1/0=0", ("1/0=0",)),
        ("inf*1=inf", ("inf*1=inf",)),
    ],
)
def test_operations_have_the_values_they_work_on(equation: str, expected: tuple[str, ...]) -> None:
    assert operations(equation) == expected


small = st.integers(1, 99)
decimal = st.integers(1, 10_000).map(lambda n: n / 100)
signs = st.sampled_from(["+", "-", "*", "/", "//", "%", "**"])


@given(st.lists(st.tuples(signs, small | decimal), min_size=1, max_size=9), small)
@example([("-", 28), ("/", 76), ("/", 85), ("+", 1)], 33)
@example([("*", 99)] * 7 + [("/", 1), ("+", 1)], 99)
def test_a_program_executes_the_operations_that_its_text_writes(
    steps: list[tuple[str, int | float]], first: int
) -> None:
    nested = str(first)
    for sign, number in steps:
        nested = f"({nested}){sign}{number}"
    program = evaluate_program(f"print({nested})")
    assume(not program.error)
    recorded = program.meter.operations
    assume(all(abs(value) < 1e300 for _, *values in recorded for value in values))
    executed = as_equations(recorded)
    by_program = sorted(one for equation in executed for one in operations(equation))
    assert by_program == sorted(operations(f"{nested}=0"))


@given(st.text("0123456789+-*/().%= e", max_size=30))
def test_any_text_has_operations(equation: str) -> None:
    assert operations(equation)
