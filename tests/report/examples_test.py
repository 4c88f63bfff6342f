from __future__ import annotations

import pytest

from rft_jax.records import LedgerRow
from rft_jax.report.examples import cut_at_equations, explain
from rft_jax.verify.equations import EquationChecker

CHECKER = EquationChecker("paper")


def _row(verdict: str, kept: bool = False) -> LedgerRow:
    return LedgerRow("q", 0, "m", verdict, "", kept)


@pytest.mark.parametrize(
    ("verdict", "response", "says"),
    [
        ("wrong_answer", "#### 7", "answers 7, the reference is 18"),
        ("wrong_equation", "<<48/2=25>> #### 18", "48/2=25 is wrong (48/2 is 24)"),
        ("malformed_equation", "<<x+=>> #### 18", "'x+=' is no equation of numbers"),
        ("no_answer", "well", "gives no answer"),
        ("truncated", "and", "stopped by its length before it gave an answer"),
        ("timeout", "####", "checking it took longer than is allowed"),
        ("correct", "#### 18", "a kept path has the same equations"),
    ],
)
def test_every_verdict_has_its_reason_in_words(verdict: str, response: str, says: str) -> None:
    assert says in explain(_row(verdict), response, "18", "first", CHECKER)


def test_a_kept_path_says_so() -> None:
    said = explain(_row("correct", kept=True), "#### 18", "18", "first", CHECKER)
    assert said == "the answer and all equations are right"


def test_a_text_is_cut_at_its_equations_and_nothing_is_lost() -> None:
    text = "A <<1+1=2>>2 and <<1+1=3>>3, <<?>> <<1+1=2>> end <<open"
    pieces = cut_at_equations(text, CHECKER)
    assert "".join(piece for piece, _ in pieces) == text
    marked = [(piece, kind) for piece, kind in pieces if kind]
    assert marked == [
        ("<<1+1=2>>", "right"),
        ("<<1+1=3>>", "wrong"),
        ("<<?>>", "wrong"),
        ("<<1+1=2>>", "right"),
    ]


def test_a_bomb_of_an_equation_explains_nothing_and_ends() -> None:
    said = explain(_row("wrong_equation"), "<<9**9**9**9=1>> #### 18", "18", "first", CHECKER)
    assert said.startswith("9**9**9**9=1 is wrong") or "equation" in said
