from __future__ import annotations

import pytest

from rft_jax.errors import UserError
from rft_jax.records import FORMS, VERDICTS, Problem, Reason
from rft_jax.verify.comparison import AnswerComparer, PaperComparer
from rft_jax.verify.equations import CHECKS
from rft_jax.verify.grading import Grade, Grader, check_references


class Stub:
    """Compares nothing: gives the same result each time, None for a time-out, and counts."""

    def __init__(self, result: bool | None = False) -> None:
        self.result, self.calls = result, 0

    def equal(self, reference: str, answer: str) -> bool:  # noqa: ARG002
        self.calls += 1
        if self.result is None:
            raise TimeoutError
        return self.result

    def value(self, answer: str) -> str:
        return answer

    def close(self) -> None:
        """Nothing runs."""


def _grade(
    response: str,
    reference: str = "18",
    finish: str = "stop",
    answers: str = "first",
    form: str = "text",
    **steps: str,
) -> Grade:
    grader = Grader(answers, **{"equations": "paper", **steps})
    return grader.grade(response, finish, reference, form)


@pytest.mark.parametrize(
    ("response", "finish", "verdict"),
    [
        ("<<9+9=18>>\n#### 18", "stop", "correct"),
        ("no equations\n#### 18", "stop", "correct"),
        ("<<9+9=18>>\n#### 18", "length", "correct"),
        ("<<9+9=", "length", "truncated"),
        ("", "length", "truncated"),
        ("", "stop", "no_answer"),
        ("18", "stop", "no_answer"),
        ("<<9+9=19>>\n#### 19", "length", "wrong_answer"),
        ("<<x=1>><<1+1=3>>\n#### 18", "stop", "malformed_equation"),
        ("<<1+1=3>><<x=1>>\n#### 18", "stop", "malformed_equation"),
        ("<<1+1=3>>\n#### 18", "stop", "wrong_equation"),
    ],
)
def test_the_verdict_is_the_first_that_applies(response: str, finish: str, verdict: str) -> None:
    assert _grade(response, finish=finish).verdict == verdict


def test_every_verdict_that_a_grader_gives_is_listed_and_only_a_timeout_is_undecided() -> None:
    assert [name for name, verdict in VERDICTS.items() if verdict.answer_correct is None] == [
        "timeout"
    ]
    assert [name for name, verdict in VERDICTS.items() if verdict.answer_correct] == [
        "malformed_equation",
        "wrong_equation",
        "correct",
    ]


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        ("#### 7", Reason("answer", "answers 7, the reference is 18")),
        ("a\nb <<48/2=25>>\n#### 18", Reason("equation", "48/2=25 is incorrect (48/2 is 24)", 2)),
        ("<<1/0=1>>\n#### 18", Reason("equation", "1/0=1 is incorrect", 1)),
        (
            "<<1+1=3>>\n<<x+=>> #### 18",
            Reason("equation", "'x+=' is not an equation of numbers", 2),
        ),
        ("<<1+\n1=3>> #### 18", Reason("equation", "'1+\\n1=3' is not an equation of numbers")),
        ("#### 18", None),
        ("", None),
    ],
)
def test_a_reason_names_what_was_found_and_its_line(response: str, reason: Reason | None) -> None:
    assert _grade(response).reason == reason


def test_an_equation_of_the_running_text_has_its_line_too() -> None:
    text = "First 1+1 = 2.\nThen 9+9 = 19.\n#### 18"
    assert _grade(text, source="text").reason == Reason(
        "equation", "9+9=19 is incorrect (9+9 is 18)", 2
    )


@pytest.mark.parametrize(
    "response",
    ["#### " + "9" * 100_000, f"<<{'1+' * 9000}1=3>>\n#### 18", f"<<{'(' * 50_000}=1>>\n#### 18"],
)
def test_a_reason_is_short_whatever_the_model_wrote(response: str) -> None:
    reason = _grade(response).reason
    assert reason is not None and len(reason.detail) <= 200


def test_an_answer_that_could_not_be_compared_in_time_is_a_timeout() -> None:
    grade = Grader("boxed", "paper", comparer=Stub(None)).grade(
        r"<<1=2>> \boxed{x+1}", "stop", "1+x"
    )
    assert grade.verdict == "timeout"
    assert grade.reason == Reason("comparison", "comparing x+1 with 1+x took longer than allowed")


def test_each_answer_is_compared_once_with_its_reference() -> None:
    stub = Stub(True)
    grader = Grader("boxed", comparer=stub)
    for answer in "xxyyx":
        assert grader.grade(rf"\boxed{{{answer}}}", "stop", "z").verdict == "correct"
    assert stub.calls == 2
    grader.grade(r"\boxed{x}", "stop", "another")
    assert stub.calls == 3


def test_without_a_check_of_steps_the_answer_alone_decides() -> None:
    grade = Grader(comparer=Stub(True)).grade("<<1+1=3>>\n#### 18", "stop", "18")
    assert grade == Grade("18", [], "correct", None)


def test_exact_equations_are_stricter_and_wider() -> None:
    assert _grade("<<10/3=3.3333>>\n#### 18").verdict == "correct"
    assert _grade("<<10/3=3.3333>>\n#### 18", equations="exact").verdict == "wrong_equation"
    assert _grade("<<50%*36=18>>\n#### 18").verdict == "malformed_equation"
    assert _grade("<<50%*36=18>>\n#### 18", equations="exact").verdict == "correct"


def test_equations_may_come_from_the_running_text() -> None:
    text = "He has 9+9 = 19.\n#### 18"
    assert _grade(text).verdict == "correct"
    assert _grade(text, source="text").verdict == "wrong_equation"
    assert _grade(text, source="either").verdict == "wrong_equation"
    both = "<<9+9=18>> or 9+9 = 19\n#### 18"
    assert _grade(both, source="either").verdict == "correct"
    assert _grade(both, source="text").verdict == "wrong_equation"


@pytest.mark.parametrize("equations", [None, *CHECKS])
@pytest.mark.parametrize("reference", ["18", "18.0"])
def test_in_the_papers_mode_numbers_are_floats_whatever_checks_the_steps(
    reference: str, equations: str | None
) -> None:
    text = "#### 18.00000000000000000001"
    assert Grader("first", equations).grade(text, "stop", reference).verdict == "correct"
    assert Grader("last", equations).grade(text, "stop", reference).verdict == "wrong_answer"


def test_the_papers_evaluation_lets_floats_differ_by_less_than_a_ten_thousandth() -> None:
    paper = PaperComparer(AnswerComparer())
    assert paper.equal("18", "18.00005") and not paper.equal("18", "18.0002")
    assert paper.equal("1/2", "50%") and not paper.equal("1/2", "1/3")


def test_a_problem_without_an_answer_is_named() -> None:
    grader = Grader()
    assert grader.reference(Problem("p", "?", "so it is 4.\n#### 4")) == "4"
    with pytest.raises(UserError, match=r"problem 'p/2' \('\?'\) has no answer; end its"):
        grader.reference(Problem("p/2", "?", "a path\nthat ends in nothing"))


def test_all_problems_without_an_answer_are_named_at_once() -> None:
    ends = ["#### 4", "in nothing", "The answer is 5.", "in nothing"]
    of = [Problem(f"p/{i}", f"How many {i}?", f"a path\n{end}") for i, end in enumerate(ends)]
    of.append(Problem("p/4", "?", "print(1)\nprint(2)", "program"))
    with pytest.raises(UserError) as error:
        check_references(of, "the_answer_is", "mine.jsonl")
    first, *named = error.value.lines()
    assert first == "mine.jsonl: 2 mistakes"
    assert [line.split()[1] for line in named] == ["'p/1'", "'p/3'"]
    assert "'How many 3?'" in named[1]
    with pytest.raises(UserError, match="3 mistakes"):
        check_references(of, "first", "mine.jsonl")
    check_references([of[0], of[2]], "program", "mine.jsonl")


def test_votes_have_the_value_of_the_answer_in_common() -> None:
    grader = Grader()
    assert grader.value("18") == grader.value("$18.0") != grader.value("19")


@pytest.mark.parametrize(
    ("response", "finish", "verdict", "answer"),
    [
        ("print(9 + 9)", "stop", "correct", "18"),
        ("print(9 + 9)", "length", "correct", "18"),
        ("print(18.000000000000004)", "stop", "correct", "18"),
        ("print(19)", "stop", "wrong_answer", "19"),
        ("print(9 +", "stop", "program_error", None),
        ("print(9 +", "length", "truncated", None),
        ("import numpy", "stop", "unsupported", None),
        ("x = 18", "stop", "no_output", None),
        ("#### 18", "stop", "no_output", None),
    ],
)
def test_a_program_is_graded_by_what_it_prints(
    response: str, finish: str, verdict: str, answer: str | None
) -> None:
    grade = _grade(response, finish=finish, form="program")
    assert (grade.verdict, grade.answer) == (verdict, answer)


def test_a_float_that_is_equal_once_it_is_rounded_says_so() -> None:
    grade = _grade("print(0.1 + 0.2)", "0.3", form="program")
    detail = "prints 0.30000000000000004, which is 0.3 when rounded"
    assert (grade.verdict, grade.reason) == ("correct", Reason("rounding", detail))
    exact = _grade("print(0.1 + 0.2)", "0.30000000000000004", form="program")
    assert (exact.verdict, exact.reason) == ("correct", None)
    assert _grade("print(1 / 3)", "1/3", form="program").reason is None


def test_whole_numbers_of_programs_are_never_compared_as_floats() -> None:
    big = "123456789012345678901"
    assert _grade(f"print({big} + 1)", big, form="program").verdict == "wrong_answer"
    assert _grade(f"print({big})", big, form="program").verdict == "correct"


def test_steps_of_a_program_are_recorded_only_where_steps_are_checked() -> None:
    assert _grade("print(9 + 9)", form="program").equations == ["9+9=18"]
    assert Grader("program").grade("print(9 + 9)", "stop", "18", "program").equations == []


def test_with_programs_as_answers_every_sample_is_one_whatever_its_form() -> None:
    assert [Grader("program").form(form) for form in FORMS] == ["program", "program"]
    assert [Grader("first").form(form) for form in FORMS] == ["text", "program"]
