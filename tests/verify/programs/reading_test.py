"""What a response's program answers: its last line, or a verdict with a reason and a line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rft_jax.records import VERDICTS
from rft_jax.verify.grading import Grader
from rft_jax.verify.programs import run
from rft_jax.verify.programs.reading import read_program_answer


@pytest.mark.parametrize(
    ("program", "answer", "printed"),
    [
        ("print(3)\nprint(48 / 2 + 48)\n", "72.0", "72.0"),
        ("print(0.1 + 0.2)", "0.3", "0.30000000000000004"),
        ("print(18 - 1e-14)", "18", "17.99999999999999"),
        ("print(1e-5 / 3)", "0.00000333333333333", "3.3333333333333337e-06"),
        ("print(2 / 3)", "0.666666666667", "0.6666666666666666"),
        ("print(12345678901234567)", "12345678901234567", "12345678901234567"),
        ("print(1, 234)", "1, 234", "1, 234"),
        ("print(-1.5, 2)\nprint()", "-1.5, 2", "-1.5, 2"),
        ("print('18 apples')", "18 apples", "18 apples"),
        ("print([1, 2])", "[1, 2]", "[1, 2]"),
        ("def solution():\n    return 7", "7", "7"),
    ],
)
def test_the_answer_is_the_last_line_with_floats_rounded(
    program: str, answer: str, printed: str
) -> None:
    read = read_program_answer(program, is_cut=False)
    assert (read.answer, read.printed, read.verdict, read.reason) == (answer, printed, "", None)


@pytest.mark.parametrize(
    ("response", "verdict", "kind", "line"),
    [
        ("print(1", "program_error", "syntax", 1),
        ("Only prose here, without any code.", "program_error", "syntax", 1),
        ("So:\n```python\nx = 1\nprint(y)\n```\ndone", "program_error", "name", 4),
        ("Let me see.\nx = 5\nprint(x / 0)", "program_error", "zero division", 3),
        ("print([][0])", "program_error", "index", 1),
        ("print('a' + 1)", "program_error", "type", 1),
        ("\n\nwhile True:\n    pass", "program_error", "limit", 3),
        ("x = 1\nimport sympy\nprint(1)", "unsupported", "unsupported", 2),
        ("class A:\n    pass", "unsupported", "unsupported", 1),
        ("x = 72", "no_output", None, None),
        ("", "no_output", None, None),
        ("# 72", "no_output", None, None),
    ],
)
def test_a_program_without_an_answer_has_a_verdict_with_kind_and_line_of_the_response(
    response: str, verdict: str, kind: str | None, line: int | None
) -> None:
    read = read_program_answer(response, is_cut=False)
    assert (read.answer, read.verdict) == (None, verdict)
    assert (read.reason and read.reason.kind, read.reason and read.reason.line) == (kind, line)
    assert read_program_answer(response, is_cut=True).verdict == "truncated"


def test_what_was_printed_before_an_error_does_not_count_as_an_answer() -> None:
    assert read_program_answer("print(72)\nprint(1 / 0)", is_cut=False).answer is None


def test_a_long_line_is_read_in_linear_time() -> None:
    line = "1" * 9_000
    assert read_program_answer(f"print('{line} a')", is_cut=False).answer == f"{line} a"


HUGE_FLOATS = ["1.0000000000e+9999999", "-1.0000000000e+999999", "1.0000000000e-999999"]


@pytest.mark.parametrize("printed", HUGE_FLOATS)
def test_a_printed_float_beyond_pythons_own_is_not_written_out(printed: str) -> None:
    read = read_program_answer(f"print('{printed}')", is_cut=False)
    assert (read.answer, read.printed) == (printed, printed)
    grade = Grader("program").grade(f"print('{printed}')", "stop", "18", form="program")
    assert (grade.answer, grade.verdict) == (printed, "wrong_answer")


FAULTS = {
    "from fractions import Fraction\nprint(Fraction('1e_'))": "value",
    "print(int('z' * 3990, 36))": "limit",
    "g = (next(g) for i in [1])\nlist(g)": "value",
    "d = {1: 1}\nfor x in reversed(d):\n    d[x + 1] = 1": "runtime",
}


@pytest.mark.parametrize(("program", "kind"), FAULTS.items())
def test_no_program_ends_its_command(program: str, kind: str) -> None:
    grade = Grader("program").grade(program, "stop", "18", form="program")
    assert (grade.answer, grade.verdict) == (None, "program_error")
    assert grade.reason is not None
    assert grade.reason.kind == kind


def test_a_fault_of_the_evaluator_is_not_the_programs_and_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("0x7f")

    monkeypatch.setattr(run, "_call_entry", fail)
    read = read_program_answer("x = 1", is_cut=False)
    assert read.verdict == "unsupported"
    assert read.reason is not None
    assert read.reason.detail == "AssertionError of the evaluator"
    assert "made the evaluator fail: 'x = 1'" in caplog.text


ADDRESSES = [
    "{}[f]",
    "{}.pop(f)",
    "{1}.remove(f)",
    "[].index(f)",
    "().index(f)",
    "print(**{f: 1})",
    "f < f",
    "int(f)",
    "f + 1",
    "sorted([f, f])",
]


@pytest.mark.parametrize("statement", ADDRESSES)
def test_no_reason_holds_an_address_in_memory(statement: str) -> None:
    read = read_program_answer(f"def f():\n    pass\n{statement}", is_cut=False)
    assert read.reason is not None
    assert "0x" not in read.reason.detail


@given(st.text() | st.text("print(1)\n=x+-*/'\"#`: ", max_size=80), st.booleans())
def test_any_response_has_an_answer_or_a_verdict(response: str, is_cut: bool) -> None:
    read = read_program_answer(response, is_cut)
    assert (read.answer is None) == (read.verdict in VERDICTS)
    if read.reason is not None:
        lines = response.splitlines() or [""]
        assert len(read.reason.detail) <= 200
        assert read.reason.line is None or 1 <= read.reason.line <= len(lines) + 1
