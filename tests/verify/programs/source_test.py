"""Which text of a response is its program."""

from __future__ import annotations

import pytest

from rft_jax.verify.programs.run import evaluate_program
from rft_jax.verify.programs.source import read_program

CODE = "x = 1\nprint(x)"


@pytest.mark.parametrize(
    ("response", "program"),
    [
        (CODE, CODE),
        (f"```python\n{CODE}\n```", CODE),
        (f"Let's write a program.\n```python\n{CODE}\n```\nThe answer is 1.", CODE),
        (f"```py\nprint(0)\n```\nBetter:\n```python\n{CODE}\n```", CODE),
        (f"```python\n{CODE}\n```\n```output\n7\n```", CODE),
        (f"```python\n{CODE}\n```\n```\n7\n```", CODE),
        (f"```\n{CODE}\n```", CODE),
        (f"~~~Python\n{CODE}\n~~~", CODE),
        (f"```python\n{CODE}", CODE),
        (f"Here is the program:\n\n{CODE}\n\nIt prints the answer.", CODE),
        (f"Sure! We count them.\n{CODE}", CODE),
    ],
)
def test_the_program_of_a_response(response, program):
    assert read_program(response).strip() == program


def test_a_response_of_prose_alone_is_a_syntax_error():
    outcome = evaluate_program(read_program("She has 3 apples and eats one, so 2 are left."))
    assert outcome.error == "syntax"


def test_a_program_cut_off_in_the_middle_is_a_syntax_error():
    assert evaluate_program(read_program("def solution():\n    x = (1 + ")).error == "syntax"
