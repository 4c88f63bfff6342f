"""Calculations inside solutions, expanded step by step as lines of arithmetic are.

`<<2*9+24=42>>` becomes `<<2*9+24=18+24=42>>`: a chain in which each side has one operation done,
and every side is exactly equal to the first. `equations = 'exact'` checks such chains.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rft_jax.arithmetic.reading import read_tokens
from rft_jax.arithmetic.steps import changes, steps_of
from rft_jax.derive.inputs import Inputs
from rft_jax.records import PROGRAM, Problem
from rft_jax.verify.equations import check_exact, replace_annotations


def steps(inputs: Inputs) -> Iterator[Problem]:
    """Every problem with the calculations of its reference solution expanded; programs stay."""
    for problem in inputs.problem_list:
        is_program = problem.form == PROGRAM
        yield problem if is_program else replace(problem, answer=expanded(problem.answer))


def expanded(solution: str) -> str:
    """The solution with its annotations expanded.

    An annotation stays as it is unless it is exactly correct, has one `=` and, left of it, several
    of + - * / on numbers.
    """
    return replace_annotations(solution, expanded_equation)


def expanded_equation(equation: str) -> str:
    """One annotation's content, expanded; itself where it is not to be expanded."""
    left, _, result = equation.partition("=")
    if "=" in result or check_exact(equation) != "correct":
        return equation
    try:
        plain = left.replace(" ", "")
        *inner, last = steps_of(read_tokens(plain))
    except ValueError:
        return equation
    exact = last._replace(form=result.replace(" ", ""))
    forms = [step.form for step in changes(plain, [*inner, exact])]
    chain = "=".join([left, *forms[:-1], result])
    return chain if check_exact(chain) == "correct" else equation
