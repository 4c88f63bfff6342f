from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rft_jax.errors import UserError
from rft_jax.verify.answers import (
    READERS,
    answer_value,
    answers_equal,
    extract_answer,
    normalise_answer,
    reference_answer,
)
from tests.rft.paper_script import answer_of


@pytest.mark.parametrize(
    ("mode", "text", "answer"),
    [
        ("first", "so 5+13=18\n#### 18", "18"),
        ("first", "#### 18\n#### 19", "18"),
        ("first", "#### 1,234.50", "1234.50"),
        ("first", "#### -7 apples", "-7"),
        ("first", "#### 18.", "18."),
        ("first", "#### $18", None),
        ("first", "####18", None),
        ("first", "#### ..\n#### 18", None),
        ("first", "#### 1.2.3", None),
        ("first", "#### １８", None),
        ("first", "#### 18\0#### 19", "18"),
        ("first", "\0#### 18", None),
        ("last", "#### 18\n#### 19", "19"),
        ("last", "#### 18\n#### none", "18"),
        ("last", "nothing", None),
        ("boxed", r"so \boxed{\frac{1}{2}}.", r"\frac{1}{2}"),
        ("boxed", r"\boxed{1} then \boxed{2}", "2"),
        ("boxed", r"\boxed{1} then \boxed{2", "1"),
        ("boxed", r"\fbox{7}", "7"),
        ("boxed", r"\boxed 7$", "7"),
        ("boxed", r"\boxed{\{1,2\}}", r"\{1,2\}"),
        ("boxed", r"\boxed{}", None),
        ("boxed", "18", None),
        ("the_answer_is", "The answer is 18.", "18"),
        ("the_answer_is", "the answer is 5. No, the final answer is: $3.50", "$3.50"),
        ("the_answer_is", "The answer is 18 dollars.", "18"),
        ("the_answer_is", r"The answer is $\frac{1}{2}$.", r"$\frac{1}{2}$"),
        ("the_answer_is", "The answer is **18**", "18"),
        ("the_answer_is", "The answer is", None),
        ("strict", "#### 1,234.\n#### 5", "1234"),
        ("strict", "the number 18", None),
        ("flexible", "first 5, then $1,234.", "1234"),
        ("flexible", "it is -7", "-7"),
        ("flexible", "no number", None),
    ],
)
def test_an_answer_is_read_as_its_mode_says(mode: str, text: str, answer: str | None) -> None:
    assert extract_answer(text, mode) == answer


@given(st.text(alphabet="# 0123456789.,-\0\nx", max_size=40))
def test_first_reads_what_the_paper_reads(text: str) -> None:
    assert extract_answer(text, "first") == answer_of(text)


@given(
    st.sampled_from(sorted(READERS)),
    st.text(alphabet="#\\boxed{} 018.,-$\nThe answer is:", max_size=60),
)
def test_no_text_raises(mode: str, text: str) -> None:
    answer = extract_answer(text, mode)
    assert answer is None or answer
    if answer is not None:
        assert answers_equal(answer, answer)


@pytest.mark.parametrize("mode", READERS)
@pytest.mark.parametrize("piece", ["(", "{", "\\boxed{", "#### ", "the answer is ", "1", "-", "<<"])
def test_megabytes_take_no_time(mode: str, piece: str) -> None:
    text = piece * (4_000_000 // len(piece))
    answer = extract_answer(text, mode)
    assert answer is None or len(answer) <= len(text)


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(UserError, match="'third'; there are first, last, boxed"):
        extract_answer("#### 1", "third")


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("18", "18.0"),
        ("18", "$18"),
        ("1,234", "1234"),
        ("50%", "0.5"),
        ("1/2", "0.5"),
        ("1.5e3", "1500"),
        ("−3", "-3"),
        (r"\frac{1}{2}", ".5"),
        (r"\(\frac{1}{2}\)", "1/2"),
        ("$x+1$", "x + 1"),
        (r"\text{east}", "east"),
        (r"\left(1, 2\right)", "(1,2)"),
        (r"\dfrac{x}{2}", r"\frac{x}{2}"),
    ],
)
def test_equal_answers_are_equal_and_one_vote(a: str, b: str) -> None:
    assert answers_equal(a, b)
    assert answer_value(a) == answer_value(b)
    assert hash(answer_value(a)) == hash(answer_value(b))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("18", "19"),
        ("0.3333", "1/3"),
        ("9007199254740993", "9007199254740992"),
        ("0.1", "0.10000000000000001"),
        ("50%", "50"),
        ("x", "X"),
        (None, None),
        ("18", None),
    ],
)
def test_different_answers_are_different(a: str | None, b: str | None) -> None:
    assert not answers_equal(a, b)


@pytest.mark.parametrize(
    ("answer", "mode", "reference"),
    [
        ("path\n#### 1,234", "first", "1234"),
        ("path\n#### 1/2", "first", "1/2"),
        ("path\n#### 3\\sqrt{2}", "first", "3\\sqrt{2}"),
        ("path\n#### 18 apples", "first", "18"),
        (r"path \boxed{\frac{1}{2}}", "boxed", r"\frac{1}{2}"),
        (r"path \boxed{7}", "first", "7"),
        ("path\n#### 18", "boxed", "18"),
        ("so the answer is 15 gallons * 8\n#### 120", "the_answer_is", "120"),
        ("so the answer is 1/2\n#### 1/2", "the_answer_is", "1/2"),
        ("The answer is 7.", "the_answer_is", "7"),
        ("path\n#### 18 apples in 2 days", "flexible", "18"),
        ("72", "first", "72"),
        ("x + 1", "boxed", "x + 1"),
        ("a path\nwithout an answer", "first", None),
        ("", "first", None),
        ("#### ", "first", "####"),
    ],
)
def test_a_reference_is_read_like_a_response_and_then_by_its_mark(
    answer: str, mode: str, reference: str | None
) -> None:
    assert reference_answer(answer, mode) == reference


def test_normalising_keeps_what_matters() -> None:
    assert normalise_answer(r" $\left[0,\,1\right)$. ") == "[0,1)"
    assert normalise_answer("a b") == normalise_answer("ab")
    assert normalise_answer(r"\leftarrow") == r"\leftarrow"
