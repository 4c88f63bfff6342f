from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rft_jax.verify.structure import MAX_CHARS, Answer, Named, Relation, Several, parse_answer
from rft_jax.verify.values import Value


def _short(answer: Answer) -> object:
    """An answer as nested tuples: numbers and texts, brackets in front of what they hold."""
    if isinstance(answer, Value):
        return answer.text if answer.number is None else answer.number
    if isinstance(answer, Several):
        return (answer.brackets, *map(_short, answer.items))
    if isinstance(answer, Named):
        return {answer.name: _short(answer.value)}
    return f"{answer.left} {answer.sign} {answer.right}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1, 2", ("", 1, 2)),
        ("1; 2", ("", 1, 2)),
        (r"1 \text{ or } 2", ("", 1, 2)),
        ("1, 2, and 3", ("", 1, 2, 3)),
        ("$1$ and $2$", ("", 1, 2)),
        (r"\{1, 2\}", ("", 1, 2)),
        (r"\{5\}", 5),
        (r"\{101,103\}", ("", 101, 103)),
        (r"\{10,000\}", 10000),
        (r"\{1,200;3\}", ("", 1200, 3)),
        (r"\{1,2\text{ and }3\}", ("", 1, 2, 3)),
        (r"\{1,234, 5\}", ("", 1234, 5)),
        ("(5)", 5),
        (r"\text{(A)}", "A"),
        ("1,234", 1234),
        ("1,234, 5", ("", 1234, 5)),
        ("(1,234)", ("()", 1, 234)),
        ("(1,234, 5)", ("()", 1234, 5)),
        ("[0, 1)", ("[)", 0, 1)),
        (r"(-\infty, 2) \cup (2, \infty)", ("", ("()", r"-\infty", 2), ("()", 2, r"\infty"))),
        (r"A \cap B", ("∩", "A", "B")),
        ("x = 5", {"x": 5}),
        ("x_1 = 5", {"x_1": 5}),
        ("f(x) = 2x", {"f(x)": "2x"}),
        (r"\text{Area} = 5", {r"\text{Area}": 5}),
        ("x = y = 5", {"x": 5}),
        ("9 * 2 = 18", 18),
        ("5 = x", {"x": 5}),
        (r"x \approx 5", {"x": 5}),
        ("= 5", 5),
        (r"x \in [0, 1]", {"x": ("[]", 0, 1)}),
        ("n = 2, 3", ("", {"n": 2}, 3)),
        ("x = 1 or x = 2", ("", {"x": 1}, {"x": 2})),
        ("y = 2, x = 1", {"(x,y)": ("()", 1, 2)}),
        ("(x, y) = (1, 2)", {"(x,y)": ("()", 1, 2)}),
        ("2x + 3 = 7", "2x + 3 = 7"),
        ("x^2 = 4", "x^2 = 4"),
        ("x < 3", {"x": ("()", r"-\infty", 3)}),
        ("3 > x", {"x": ("()", r"-\infty", 3)}),
        (r"x \ge 3", {"x": ("[)", 3, r"\infty")}),
        (r"0 < x \le 3", {"x": ("(]", 0, 3)}),
        ("3 >= x > 0", {"x": ("(]", 0, 3)}),
        ("2x < 6", "2x < 6"),
        (r"x \ne 2", "x ≠ 2"),
        ("x > 1 and x < 5", ("∩", {"x": ("()", 1, r"\infty")}, {"x": ("()", r"-\infty", 5)})),
        ("x < 1 or x > 5", ("", {"x": ("()", r"-\infty", 1)}, {"x": ("()", 5, r"\infty")})),
        (r"x = \pm 2", {"x": ("", 2, -2)}),
        (r"1 \pm \sqrt2", ("", r"1 + \sqrt{2}", r"1 - \sqrt{2}")),
        (r"\{2 \pm 1, 5\}", ("", "2 + 1", "2 - 1", 5)),
        ("1:2:3", (":", 2, 3)),
        ("2 hours 30 minutes", ("", 2, 30)),
        (r"\{x : x > 0\}", r"\{x : x > 0\}"),
        (r"\begin{pmatrix}1,2\end{pmatrix}", r"\begin{pmatrix}1,2\end{pmatrix}"),
        (r"\binom{5,2}{1}", r"\binom{5,2}{1}"),
        ("(x+1)(x-2)", "(x+1)(x-2)"),
        ("(3-9) (5-15", "(3-9) (5-15"),
        ("twice as many", "twice as many"),
        ("", ""),
    ],
)
def test_an_answer_is_taken_apart(text: str, expected: object) -> None:
    assert _short(parse_answer(text)) == expected


def test_a_named_answer_keeps_its_relation() -> None:
    named = parse_answer("y = 2x")
    assert isinstance(named, Named)
    assert named.relation == Relation("y", "=", "2x")


_PIECES = st.sampled_from(
    [
        *"0123456789.,;:=<>()[]{}xy +-*/^_$%'|&≤∈½\n\\",
        *(r"\frac", r"\text{", r"\{", r"\}", r"\cup", r"\cap", r"\pm", r"\begin{matrix}"),
        *(r"\end{matrix}", " and ", " or ", " cm", " eggs"),
    ]
)


@given(st.lists(_PIECES, max_size=30).map("".join))
def test_no_text_raises(text: str) -> None:
    assert parse_answer(text) == parse_answer(text)


@pytest.mark.parametrize("piece", ["(", "{", "[(", "1,", "x=", "x<", ":", r"\pm", " or ", " a"])
def test_long_answers_are_read_at_once_or_are_words(piece: str) -> None:
    start = time.process_time()
    parse_answer(piece * (MAX_CHARS // len(piece)))
    whole = parse_answer(piece * 1_000_000)
    assert isinstance(whole, Value) and whole.is_words
    assert time.process_time() - start < 2
