from __future__ import annotations

import pytest

from rft_jax.errors import UserError
from rft_jax.rft.judge import Judge
from rft_jax.rft.rows import Row
from rft_jax.rft.settings import CollectSettings


class Stub:
    """Compares nothing: says what it was told to, and counts."""

    def __init__(self, result: bool | None = False) -> None:
        self.result, self.asked = result, 0

    def equal(self, reference: str, answer: str) -> bool:  # noqa: ARG002
        self.asked += 1
        if self.result is None:
            raise TimeoutError
        return self.result


def _verdict(response: str, reference: str = "18", finish: str = "stop", **settings: str) -> str:
    judge = Judge(CollectSettings(**settings), Stub())
    return judge.judge([Row(0, 0, "m", response, finish, None)], reference)[0].verdict


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
    assert _verdict(response, finish=finish) == verdict


def test_an_answer_that_could_not_be_compared_in_time_is_a_timeout() -> None:
    judge = Judge(CollectSettings(answers="boxed"), Stub(None))
    judged = judge.judge([Row(0, 0, "m", r"<<1=2>> \boxed{x+1}", "stop", None)], "1+x")
    assert judged[0].verdict == "timeout"


def test_formulas_are_compared_once_for_each_answer_and_numbers_never() -> None:
    stub = Stub(True)
    judge = Judge(CollectSettings(answers="boxed"), stub)
    rows = [Row(0, i, "m", rf"\boxed{{{a}}}", "stop", None) for i, a in enumerate("xxyyx")]
    assert [item.verdict for item in judge.judge(rows, "z")] == ["correct"] * 5
    assert stub.asked == 2
    numbers = [Row(0, i, "m", rf"\boxed{{{i}}}", "stop", None) for i in range(5)]
    assert [item.verdict for item in judge.judge(numbers, "3")].count("correct") == 1
    assert stub.asked == 2


def test_numbers_are_exact_but_for_the_papers_own_comparison() -> None:
    text = "#### 18.00000000000000000001"
    assert _verdict(text) == "correct"  # equal as floats, as the paper's script has it
    assert _verdict(text, equations="exact") == "wrong_answer"
    assert _verdict(text, answers="last") == "wrong_answer"


def test_exact_equations_are_stricter_and_wider() -> None:
    assert _verdict("<<10/3=3.3333>>\n#### 18") == "correct"
    assert _verdict("<<10/3=3.3333>>\n#### 18", equations="exact") == "wrong_equation"
    assert _verdict("<<50%*36=18>>\n#### 18") == "malformed_equation"
    assert _verdict("<<50%*36=18>>\n#### 18", equations="exact") == "correct"


def test_equations_may_come_from_the_running_text() -> None:
    wrong = "He has 9+9 = 19.\n#### 18"
    assert _verdict(wrong) == "correct"
    assert _verdict(wrong, equation_source="text") == "wrong_equation"
    assert _verdict(wrong, equation_source="either") == "wrong_equation"
    both = "<<9+9=18>> or 9+9 = 19\n#### 18"
    assert _verdict(both, equation_source="either") == "correct"
    assert _verdict(both, equation_source="text") == "wrong_equation"


def test_each_sample_has_a_key_whatever_its_verdict() -> None:
    judge = Judge(CollectSettings(), Stub())
    rows = [Row(0, 0, "m", text, "stop", None) for text in ("<<1+1=3>>", "<<1 + 1=2>>#### 1", "")]
    assert [item.key for item in judge.judge(rows, "18")] == ["1+1=3", "1+1=2", ""]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("answers", "third"),
        ("equations", "eval"),
        ("equation_source", "air"),
        ("dedup", "some"),
        ("select", "best"),
        ("timeout", 0),
        ("workers", -1),
        ("suspicious_share", 0),
        ("ngrams", (0,)),
        ("remove_ngram", -1),
    ],
)
def test_a_setting_that_means_nothing_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(UserError, match=f"collect.{name} = "):
        CollectSettings(**{name: value})
