from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rft_jax.verify.calculator import calculated
from rft_jax.verify.equations import check_exact, check_paper


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("He has <<12*3=", "36>>"),
        ("<<1+1=2>>2 and <<2*(3+4)=", "14>>"),
        ("<<10/3=", "3.333333>>"),
        ("<<-10/3=", "-3.333333>>"),
        ("<<2/3=", "0.666667>>"),
        ("<<1/8=", "0.125>>"),
        ("<<.5*3=", "1.5>>"),
        ("<<$5*20%=", "1>>"),
        ("<<12*3", ""),
        ("12*3=", ""),
        ("<<12*3>>=", ""),
        ("<<12*3=36=", ""),
        ("<<1/0=", ""),
        ("<<=", ""),
        ("<<x*3=", ""),
        ("<<9**9**9=", ""),
        ("<<10**30=", ""),
        ("<<" + "9" * 5000 + "*2=", ""),
    ],
)
def test_the_result_of_the_last_annotation(text: str, result: str):
    assert calculated(text) == result


@given(st.text("0123456789+-*/.()%<>= x", max_size=30))
def test_any_text_has_a_correct_result_or_none(text: str):
    expression = text.replace("<", "").replace(">", "")
    result = calculated(f"<<{expression}=")
    if result:
        assert result.endswith(">>") and "=" not in expression
        equation = f"{expression}={result.removesuffix('>>')}"
        assert check_exact(equation) == "correct" or "." in result


def test_what_does_not_end_passes_the_papers_check():
    for a in range(1, 60):
        for b in range(1, 40):
            result = calculated(f"<<{a}/{b}=").removesuffix(">>")
            assert check_paper(f"{a}/{b}={result}") == "correct"
