"""The operations that a program executes, as equations."""

from __future__ import annotations

import pytest

from rft_jax.verify.equations import check_exact
from rft_jax.verify.programs.limits import Limits
from rft_jax.verify.programs.run import evaluate_program
from rft_jax.verify.programs.trace import as_equations


@pytest.mark.parametrize(
    ("program", "equations"),
    [
        ("a = 48\nb = a / 2\nprint(a + b)", ["48/2=24", "48+24=72"]),
        ("x = 3\nx -= 5\nx *= x", ["3-5=-2", "(-2)*(-2)=4"]),
        ("print(0.1 * 3)", ["0.1*3=0.3"]),
        ("print(sum([1, 2.5, 3]))", ["1+2.5=3.5", "3.5+3=6.5"]),
        ("print(sum([4], 5))", ["5+4=9"]),
        ("print(2 ** 10 // 3 % 7)", ["2**10=1024", "1024//3=341", "341%7=5"]),
        ("from fractions import Fraction\nprint(Fraction(1, 3) * 6)", ["(1/3)*6=2"]),
        ("from decimal import Decimal\nprint(Decimal('0.10') + 1)", ["0.10+1=1.10"]),
        ("print(True + 1)", ["1+1=2"]),
        ("print('a' * 3, [1] + [2])", []),
        ("def f(x):\n    return x + 1\nprint(f(f(1)))", ["1+1=2", "2+1=3"]),
        (
            "print(2**200 * 1.5)",
            ["2**200=1.60693804426e+60", "1.60693804426e+60*1.5=2.41040706639e+60"],
        ),
    ],
)
def test_operations_on_numbers_are_recorded_in_order(program: str, equations: list[str]) -> None:
    assert as_equations(evaluate_program(program).meter.operations) == equations


def test_what_is_recorded_is_correct_arithmetic() -> None:
    program = "x = 7\nfor i in range(1, 20):\n    x = x * 3 - i\n    y = x // i + x % i"
    equations = as_equations(evaluate_program(program).meter.operations)
    assert len(equations) == 95
    assert {check_exact(equation) for equation in equations} == {"correct"}


def test_the_record_is_bounded_and_the_program_continues() -> None:
    outcome = evaluate_program("x = 0\nfor i in range(999):\n    x += 1\nprint(x, sum(range(999)))")
    assert (outcome.error, outcome.output) == ("", "999 498501\n")
    assert len(outcome.meter.operations) == Limits().operations == 256
