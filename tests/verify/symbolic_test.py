from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest

from rft_jax.verify.symbolic import Formulas, make_answerer


@pytest.fixture(scope="module")
def formulas() -> Iterator[Formulas]:
    with closing(Formulas(timeout=1.0)) as shared:
        yield shared


def test_the_three_questions_are_answered(formulas: Formulas) -> None:
    assert formulas.equal(("x+1", ""), ("1+x", ""))
    assert formulas.factor(("2x", "<", "6"), ("x", "<", "3")) == 1
    assert formulas.value(r"\frac{1}{2}")[0].startswith("0.5")


@pytest.mark.parametrize("endless", ["9^{9^{9^{9}}}", "10!!!!"])
def test_a_formula_that_never_ends_is_a_timeout_and_not_unequal(
    formulas: Formulas, endless: str
) -> None:
    with pytest.raises(TimeoutError):
        formulas.equal((endless, ""), ("x+1", ""))
    assert formulas.equal(("x+1", ""), ("1+x", ""))  # and the next one is compared


def test_a_child_that_is_killed_costs_one_comparison(formulas: Formulas) -> None:
    assert formulas.equal(("x+2", ""), ("2+x", ""))
    assert formulas._child is not None
    os.kill(formulas._child.pid, 9)
    with pytest.raises(TimeoutError):
        formulas.equal(("x+3", ""), ("3+x", ""))
    assert formulas.equal(("x+4", ""), ("4+x", ""))


@pytest.mark.parametrize(
    "hostile",
    [
        "(" * 200,
        "\\frac" * 50,
        "\0",
        "\ud800",
        "\u202e5",
        "$$$",
        "\\",
        r"\infty",
        r"-\infty",
        "+oo",
    ],
)
def test_hostile_formulas_get_an_answer(formulas: Formulas, hostile: str) -> None:
    with suppress(TimeoutError):
        assert formulas.equal(("5", ""), (hostile, "")) is False
    assert formulas.equal(("x+1", ""), ("1+x", ""))


def test_what_sympy_fails_on_is_not_equal_and_the_child_lives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("as SymPy does")

    for name in ("equal", "factor", "value"):
        monkeypatch.setattr(f"rft_jax.verify.formulas.{name}", fail)
    monkeypatch.setattr("resource.setrlimit", lambda *_: None)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    answer = make_answerer(5.0)
    assert [answer((name, "x", "y")) for name in ("equal", "factor", "value")] == [
        [False],
        [0],
        [[]],
    ]
    logging.disable(logging.NOTSET)
