from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rft_jax.errors import UserError
from rft_jax.verify.equations import (
    EquationChecker,
    Finding,
    check_exact,
    check_paper,
    explain,
    find_annotations,
)
from tests.rft.paper_script import evaluate, is_correct


@given(st.text(alphabet="<>=1+\n", max_size=40))
def test_annotations_are_found_as_the_papers_pattern_finds_them(text: str) -> None:
    assert find_annotations(text) == re.findall(r"<<([^>]*)>>", text)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(["<<", "<", ">>", ">", "1+1=2", " "]), min_size=1, max_size=20))
def test_long_texts_are_searched_in_another_way_with_the_same_result(pieces: list[str]) -> None:
    text = "".join(pieces) * (5000 // len(pieces))
    assert find_annotations(text) == re.findall(r"<<([^>]*)>>", text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("<<1+1=2>>", ["1+1=2"]),
        ("<<<<1+1=2>>>>", ["<<1+1=2"]),
        ("<<1+1=2", []),
        ("<<1+1=2> >", []),
        ("<<>>", [""]),
        ("<<1\n+1=2>>", ["1\n+1=2"]),
        ("<<a>b>> <<3=3>>", ["3=3"]),
        ("no", []),
    ],
)
def test_unclosed_and_nested_marks(text: str, found: list[str]) -> None:
    assert find_annotations(text) == found


_NUMBER = st.sampled_from(
    [
        "0",
        "1",
        "2",
        "3",
        "5",
        "07",
        "10",
        "12.5",
        ".5",
        "4.",
        "1e3",
        "1_0",
        "100000000000000000000",
        "3.3333",
        "0.0005",
        "1e400",
    ]
)
_LEFT = st.one_of(
    st.tuples(_NUMBER, st.sampled_from(["+", " - ", "*", "/", "//", "%", "**"]), _NUMBER)
    .filter(lambda t: t[1] != "**" or t[2] in ("0", "1", "2", "3", ".5"))
    .map("".join),
    st.tuples(_NUMBER, st.just("+"), _NUMBER, st.just("*("), _NUMBER, st.just("-2)")).map("".join),
    _NUMBER,
    st.sampled_from(["", "1,000*2", "x", "5%", "$5", "1\0", "(-8)**.5", "-2", "１"]),
)
_RIGHT = st.one_of(
    _NUMBER,
    st.sampled_from(
        ["", " 4 ", "-2", "3.0009", "3.0011", "nan", "inf", "-inf", "3/4", "1,000", "２", "x"]
    ),
)


@settings(max_examples=600, deadline=None)
@given(_LEFT, _RIGHT, st.sampled_from(["", "=4", "=", "=x"]))
def test_an_annotation_is_correct_when_the_papers_script_says_so(
    left: str, right: str, rest: str
) -> None:
    annotation = f"{left}={right}{rest}"
    assert (check_paper(annotation) == "correct") == is_correct(annotation)


def _joined(*parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(*parts).map("".join)


_POWERS = st.sampled_from(["**2", "**-1", "**.5", " ** 0", "**3", "**2**3", "**-.5"])
_EXPRESSION = st.recursive(
    _NUMBER,
    lambda inner: st.one_of(
        _joined(inner, st.sampled_from(["+", "-", "*", "/", "//", "%", " + ", "\t- "]), inner),
        _joined(st.sampled_from(["(", "-(", "( ", "(\n"]), inner, st.sampled_from([")", "\n )"])),
        _joined(st.sampled_from(["-", "+", "--"]), inner),
        _joined(st.one_of(_NUMBER, st.just("(-8)")), _POWERS),
    ),
    max_leaves=8,
)


@st.composite
def _annotations(draw: st.DrawFn) -> str:
    """An expression of any shape and a right side near its value, exactly or as people round it."""
    left = draw(_EXPRESSION)
    try:
        value = float(evaluate(left))  # type: ignore[arg-type]
    except Exception:
        value = 0.0
    value += draw(st.sampled_from([0, 0, 0, 9e-4, -9e-4, 1e-3, 1.1e-3, 1]))
    right = draw(st.sampled_from(["{!r}", "{:.3f}", " {:.4f} ", "{:.0f}", "{:e}", "+{!r}", "{:,}"]))
    rest = draw(st.sampled_from(["", "", "=", "=7", "=x"]))
    return f"{left}={right.format(value)}{rest}"


@settings(max_examples=600, deadline=None)
@given(_annotations())
def test_any_expression_is_correct_when_the_papers_script_says_so(annotation: str) -> None:
    assert (check_paper(annotation) == "correct") == is_correct(annotation)


@settings(max_examples=300, deadline=None)
@given(
    st.tuples(st.integers(-5, 120), st.sampled_from("+-*/"), st.integers(0, 120)),
    st.sampled_from([-1, -0.001, -0.0009, 0, 0.0009, 0.001, 0.0011, 1]),
)
def test_the_tolerance_is_the_papers(parts: tuple[int, str, int], error: float) -> None:
    left = f"{parts[0]}{parts[1]}{parts[2]}"
    value = 0.0 if left.endswith("/0") else eval(left)  # noqa: S307 (two integers)
    annotation = f"{left}={value + error!r}"
    assert (check_paper(annotation) == "correct") == is_correct(annotation)


@pytest.mark.parametrize(
    ("annotation", "paper", "exact"),
    [
        ("48/2=24", "correct", "correct"),
        ("48/2=25", "wrong_equation", "wrong_equation"),
        ("10/3=3.3333", "correct", "wrong_equation"),
        ("0.1+0.2=0.3", "correct", "correct"),
        ("3/4=3/4", "malformed_equation", "correct"),
        ("1,000*2=2,000", "malformed_equation", "correct"),
        ("50%*20=10", "malformed_equation", "correct"),
        ("5/20=25%", "malformed_equation", "correct"),
        ("$5*3=$15", "malformed_equation", "correct"),
        ("2+3=5=5", "correct", "correct"),
        ("2+3=5=6", "correct", "wrong_equation"),
        ("2+3=1+4=5", "malformed_equation", "correct"),
        ("2+3=5=", "correct", "malformed_equation"),
        ("2+3", "malformed_equation", "malformed_equation"),
        ("", "malformed_equation", "malformed_equation"),
        ("=", "malformed_equation", "malformed_equation"),
        ("1/0=1", "wrong_equation", "wrong_equation"),
        ("1/0=x", "malformed_equation", "malformed_equation"),
        ("9**9**9**9=1", "malformed_equation", "malformed_equation"),
        ("1=nan", "wrong_equation", "malformed_equation"),
        ("1e400=inf", "wrong_equation", "malformed_equation"),
        ("10**400=10**400", "malformed_equation", "correct"),
        ("10**400=1", "wrong_equation", "wrong_equation"),
        ("__import__('os').system('x')=0", "malformed_equation", "malformed_equation"),
    ],
)
def test_paper_and_exact_differ_where_the_papers_script_is_narrow(
    annotation: str, paper: str, exact: str
) -> None:
    assert check_paper(annotation) == paper
    assert check_exact(annotation) == exact


def test_nothing_is_executed(tmp_path: object) -> None:
    mark = f"{tmp_path}/mark"
    for annotation in (
        f"__import__('os').system('touch {mark}')=0",
        f"open('{mark}','w')=1",
        f"[open('{mark}','w') for x in (1,)]=1",
    ):
        assert check_paper(annotation) == check_exact(annotation) == "malformed_equation"
    import os

    assert not os.path.exists(mark)


@pytest.mark.parametrize("check", [check_paper, check_exact])
@pytest.mark.parametrize(
    "annotation",
    [
        "(" * 5_000_000 + "=1",
        "1+" * 2_500_000 + "1=1",
        "1=" + "1" * 5_000_000,
        "9" * 5_000_000 + "=1",
        "9**9" * 2000 + "=1",
        "-" * 9_000 + "1=1",
        "1=" * 2_500_000,
        "2**16000%7*" * 800 + "1=1",
    ],
)
def test_hostile_annotations_are_decided_at_once(
    check: Callable[[str], str], annotation: str
) -> None:
    assert check(annotation) in ("malformed_equation", "wrong_equation", "correct")


def test_the_first_malformed_equation_decides_else_the_first_incorrect_one() -> None:
    checker = EquationChecker("paper")
    assert checker.first_fault([]) is None
    assert checker.first_fault(["1+1=2", "2+2=4"]) is None
    assert checker.first_fault(["1+1=2", "2+2=5", "2+2=6"]) == ("2+2=5", "wrong_equation")
    assert checker.first_fault(["2+2=5", "x", "y"]) == ("x", "malformed_equation")


@pytest.mark.parametrize(
    ("equation", "finding", "words"),
    [
        ("48/2=25", "wrong_equation", "48/2=25 is incorrect (48/2 is 24)"),
        ("1/0=1", "wrong_equation", "1/0=1 is incorrect"),
        ("10**400=1", "wrong_equation", "10**400=1 is incorrect"),
        ("9**9**9**9=1", "wrong_equation", "9**9**9**9=1 is incorrect"),
        ("x+=", "malformed_equation", "'x+=' is not an equation of numbers"),
    ],
)
def test_a_fault_is_explained(equation: str, finding: Finding, words: str) -> None:
    assert explain(equation, finding) == words


def test_what_a_checker_remembers_is_bounded() -> None:
    checker = EquationChecker("paper")
    for index in range(100_500):
        checker.first_fault([f"{index}+1={index + 1}"])
    assert len(checker._memo) <= 100_000
    checker.first_fault(["1+" * 200 + "1=1"])
    assert all(len(equation) <= 200 for equation in checker._memo)


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(UserError, match="'eval'; there are paper, exact"):
        EquationChecker("eval")
