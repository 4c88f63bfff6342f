"""Expanded calculations: exact chains of one operation a side, and the same verdicts."""

from __future__ import annotations

import os
import re
from contextlib import closing
from operator import ne
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rft_jax.arithmetic.values import simplified, spell
from rft_jax.data.sources import load_problems
from rft_jax.derive.inputs import Inputs
from rft_jax.derive.steps import expanded, expanded_equation
from rft_jax.derive.write import write_derived
from rft_jax.files.jsonl import write_rows
from rft_jax.records import Problem, read_problems, to_row
from rft_jax.verify.equations import check_exact, find_annotations
from rft_jax.verify.expressions import exact_postfix, exact_value
from rft_jax.verify.grading import Grader
from rft_jax.verify.operations import operations

NUMBERS = st.one_of(
    st.sampled_from(("(1/3)", "(2/3)", "(3/4)", "(7/6)")),
    st.integers(0, 20_000).map(str),
    st.decimals("-99", "99", places=2).map(str),
    st.integers(1, 300).map("{}%".format),
    st.sampled_from((".5", "7.", "-3", "0.125")),
)
EXPRESSIONS = st.recursive(
    NUMBERS,
    lambda inner: st.tuples(inner, st.sampled_from("+-*/"), inner, st.booleans()).map(
        lambda one: f"({one[0]}{one[1]}{one[2]})" if one[3] else "".join(one[:3])
    ),
    max_leaves=12,
)


@given(EXPRESSIONS)
def test_every_side_of_a_chain_is_exactly_equal_and_has_one_operation_done(expression: str):
    try:
        value = exact_value(exact_postfix(expression))
    except ArithmeticError:
        return
    result = spell(simplified(value))
    sides = expanded_equation(f"{expression}={result}").split("=")
    assert (sides[0], sides[-1]) == (expression, result)
    assert [exact_value(exact_postfix(side)) for side in sides] == [value] * len(sides)
    assert check_exact("=".join(sides)) == "correct"
    done = [one for one in operations(expression) if one != expression]
    fractions = len(re.findall(r"\([0-9]+/[0-9]+\)", expression))  # which are values already
    assert 0 <= max(1, len(done)) + 1 - len(sides) <= fractions
    assert len(sides) == 2 or all(map(ne, sides, sides[1:]))


@pytest.mark.parametrize(
    ("equation", "chain"),
    [
        ("2*9+24=42", "2*9+24=18+24=42"),
        ("(12-8)*3=12", "(12-8)*3=4*3=12"),
        ("10+5+15+45=75.00", "10+5+15+45=15+15+45=30+45=75.00"),
        ("1/2*30=15", "1/2*30=0.5*30=15"),
        ("20/6*3=10", "20/6*3=(10/3)*3=10"),
        ("50%*20+.5=10.5", "50%*20+.5=10+.5=10.5"),
        ("100 - 50 - 30=20", "100 - 50 - 30=50-30=20"),
        ("(1/3)+2/3=1", "(1/3)+2/3=(1/3)+(2/3)=1"),
        ("2*(1/3)*6=4", "2*(1/3)*6=(2/3)*6=4"),
        ("24 * (2/3)=16", "24 * (2/3)=16"),
        ("2/2/3= 1/3", "2/2/3= 1/3"),
        ("3*4=12", "3*4=12"),
        ("5=5", "5=5"),
        ("2*3+4=11", "2*3+4=11"),
        ("10/3+1=4.33", "10/3+1=4.33"),
        ("2+3+4=5+4=9", "2+3+4=5+4=9"),
        ("2**3+1=9", "2**3+1=9"),
        ("+3+4+5=12", "+3+4+5=12"),
        ("x+1+2=4", "x+1+2=4"),
        ("1+2+3", "1+2+3"),
        ("1/0+2=2", "1/0+2=2"),
    ],
)
def test_what_is_exact_and_has_several_operations_is_expanded(equation: str, chain: str):
    assert expanded_equation(equation) == chain
    assert (
        expanded(f"So <<{equation}>>9 < 10, <<{equation}") == f"So <<{chain}>>9 < 10, <<{equation}"
    )


def _verdict(grader: Grader, response: str, reference: str) -> str:
    return grader.grade(response, "stop", reference).verdict


@given(st.text("0123456789+-*/.()%<>= x", max_size=60))
def test_any_text_keeps_its_verdict(text: str):
    with closing(Grader(equations="exact")) as grader:
        for response in (f"{text}\n#### 7", f"<<{text}>>\n#### 7"):
            found = _verdict(grader, expanded(response), "7")
            assert found == _verdict(grader, response, "7")


def _assert_same_answers_and_verdicts(problems: list[Problem]) -> int:
    """The number of annotations that are expanded."""
    count = 0
    with closing(Grader(equations="exact")) as grader:
        for problem in problems:
            solution, reference = expanded(problem.answer), grader.reference(problem)
            found = grader.grade(solution, "stop", reference)
            assert found.verdict == _verdict(grader, problem.answer, reference)
            assert found.answer == reference
            equations = find_annotations(problem.answer)
            count += len(set(find_annotations(solution)) - set(equations))
            assert len(find_annotations(solution)) == len(equations)
    return count


def test_embedded_solutions_keep_answers_and_verdicts():
    assert _assert_same_answers_and_verdicts(load_problems("wordproblems:dev")[:300]) > 20


@pytest.mark.slow
@pytest.mark.skipif("GSM8K_DIR" not in os.environ, reason="GSM8K is not in the repository")
def test_gsm8ks_solutions_keep_answers_and_verdicts():
    assert _assert_same_answers_and_verdicts(load_problems("gsm8k:train")) > 2500


def test_the_file_has_the_same_questions_and_programs_stay(tmp_path: Path):
    problems = [
        Problem("a", "How many?", "He has <<1+2*3=7>>7.\n#### 7"),
        Problem("b", "And now?", "x = 1 + 2 * 3\nprint(x)  # <<1+2*3=7>>", "program"),
    ]
    write_rows(tmp_path / "p.jsonl", map(to_row, problems))
    write_derived("steps", Inputs(str(tmp_path / "p.jsonl")), str(tmp_path / "out"))
    first, second = read_problems(tmp_path / "out" / "problems.jsonl")
    assert first == Problem("a", "How many?", "He has <<1+2*3=1+6=7>>7.\n#### 7")
    assert second == problems[1]
