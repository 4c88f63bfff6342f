from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rft_jax.errors import UserError
from rft_jax.verify.answers import READERS, answer_reader, reference_answer
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
        ("last", "#### 18\n#### none", "none"),
        ("last", "#### 18\n#### ", "18"),
        ("last", "so\n####−3 apples", "−3 apples"),
        ("last", "###18", None),
        ("last", "nothing", None),
        ("boxed", r"so \boxed{\frac{1}{2}}.", r"\frac{1}{2}"),
        ("boxed", r"\boxed{1} then \boxed{2}", "2"),
        ("boxed", r"\boxed{1} then \boxed{2", "1"),
        ("boxed", r"\fbox{7}", "7"),
        ("boxed", r"\boxed 7$", "7"),
        ("boxed", r"\boxed{\{1,2\}}", r"\{1,2\}"),
        ("boxed", r"\framebox{7}", "7"),
        ("boxed", r"\boxed{\boxed{42}}", "42"),
        ("boxed", "\\boxed{\n42\n}", "42"),
        ("boxed", r"It is \boxed{4}, marked with \boxed as you asked.", "4"),
        ("boxed", r"It is \boxed{4} (in \boxed{} form).", "4"),
        ("boxed", r"They are $\boxed{3}$, $\boxed{5}$ and $\boxed{7}$.", "3, 5, 7"),
        ("boxed", r"First \boxed{5}. No, it is \boxed{7}.", "7"),
        ("boxed", r"\boxed{7}, so \boxed{7}", "7"),
        ("boxed", r"\boxed{}", None),
        ("boxed", "18", None),
        ("the_answer_is", "The answer is 18.", "18"),
        ("the_answer_is", "the answer is 5. No, the final answer is: $3.50", "$3.50"),
        ("the_answer_is", "The answer is 18 dollars.", "18 dollars"),
        ("the_answer_is", "The answer is:\n\n42\n\nDone.", "42"),
        ("the_answer_is", "The answer is\n42.", "42"),
        ("the_answer_is", "The answer is:\n$$\\boxed{42}$$", "42"),
        ("the_answer_is", "The answer is\n\\[\n\\frac{1}{2}\n\\]", r"\frac{1}{2}"),
        ("the_answer_is", r"The answer is $\boxed{[2,5)}$.", "[2,5)"),
        ("the_answer_is", "The answer is therefore 42!", "42"),
        ("the_answer_is", "**The answer is:** 4.", "4"),
        ("the_answer_is", "The answer is 18, as shown above.", "18"),
        ("the_answer_is", "The answer is 18 because 9*2 = 18.", "18"),
        ("the_answer_is", "The answer is twice as many.", "twice as many"),
        ("the_answer_is", "The answer is B. Note that A is a trap.", "B"),
        ("the_answer_is", "The answer is 9 * 2 = 18.", "9 * 2 = 18"),
        ("the_answer_is", r"The answer is $\frac{1}{2}$.", r"$\frac{1}{2}$"),
        ("the_answer_is", "The answer is **18**", "18"),
        ("the_answer_is", "The answer is", None),
        ("strict", "#### 1,234.\n#### 5", "1234"),
        ("strict", "the number 18", None),
        ("flexible", "first 5, then $1,234.", "1234"),
        ("flexible", "it is -7", "-7"),
        ("flexible", "it is 18... I am sure...", "18"),
        ("flexible", "no number", None),
        ("arithmetic", "2*3+1=6+1=7", "7"),
        ("arithmetic", "2+3=5\n#### 5", "5"),  # GSM8K's format
        ("arithmetic", "7", "7"),
    ],
)
def test_an_answer_is_read_as_its_mode_says(mode: str, text: str, answer: str | None) -> None:
    assert answer_reader(mode)(text) == answer


@pytest.mark.parametrize("mode", ["first", "strict"])
@pytest.mark.parametrize(
    ("reference", "response", "answer"),
    [
        ("18", "#### 18/2", "18"),
        ("1234.5", "#### 18 : 2", "18"),
        ("3:2", "#### 3:7", "3:7"),
        ("1 1/2", "so\n#### 1.5 \nand", "1.5"),
        ("1,5", "#### 1,7", "1,7"),
        ("B", "#### A\n#### B", "A"),
        (r"\frac{1}{2}", "####$x$", "$x$"),
        ("9 (apples)", "#### 9", "9"),
        ("2e-06", "####", None),
    ],
)
def test_a_number_alone_is_read_where_the_reference_is_one_and_else_the_line(
    mode: str, reference: str, response: str, answer: str | None
) -> None:
    assert answer_reader(mode, reference)(response) == answer


@given(st.text(alphabet="# 0123456789.,-\0\nx", max_size=40))
def test_first_reads_what_the_paper_reads(text: str) -> None:
    assert answer_reader("first")(text) == answer_of(text)


@given(
    st.sampled_from(sorted(READERS)),
    st.text(alphabet="#\\boxed{} 018.,-$\nThe answer is:", max_size=60),
)
def test_no_text_raises(mode: str, text: str) -> None:
    answer = answer_reader(mode)(text)
    assert answer is None or answer


@pytest.mark.parametrize("mode", READERS)
@pytest.mark.parametrize("piece", ["(", "{", "\\boxed{", "#### ", "the answer is ", "1", "-", "<<"])
def test_megabytes_take_no_time(mode: str, piece: str) -> None:
    text = piece * (4_000_000 // len(piece))
    answer = answer_reader(mode)(text)
    assert answer is None or len(answer) <= len(text)


@pytest.mark.parametrize("blank", [" ", "\t"])
@pytest.mark.parametrize(
    ("mode", "before", "after", "answer"),
    [
        ("boxed", r"\boxed{1}", r"\boxed{2}", "2"),
        ("boxed", r"\boxed{1},", r"and \boxed{2}", "1, 2"),
        ("the_answer_is", "the answer is 5", "because", "5"),
        ("the_answer_is", "the answer is 5,", "because", "5"),
        ("the_answer_is", "the answer is 5", "\n", "5"),
    ],
)
def test_long_blanks_take_no_time(
    mode: str, before: str, after: str, answer: str, blank: str
) -> None:
    start = time.process_time()
    assert answer_reader(mode)(before + 300_000 * blank + after) == answer
    assert time.process_time() - start < 2


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(UserError, match="'third'; there are first, last, boxed"):
        answer_reader("third")


@pytest.mark.parametrize(
    ("answer", "mode", "reference"),
    [
        ("path\n#### 1,234", "first", "1234"),
        ("path\n#### 1/2", "first", "1/2"),
        ("path\n#### 3\\sqrt{2}", "first", "3\\sqrt{2}"),
        ("path\n#### 18 apples", "first", "18 apples"),
        ("path\n####18", "first", "18"),
        ("path\n#### 3:2", "flexible", "3:2"),
        ("path\n#### 2e-06", "strict", "2e-06"),
        ("path\n#### 9 (apples)", "last", "9 (apples)"),
        ("path\n#### 1,5", "first", "1,5"),
        (r"\boxed{1} and \boxed{2}", "boxed", "1, 2"),
        (r"path \boxed{\frac{1}{2}}", "boxed", r"\frac{1}{2}"),
        (r"path \boxed{7}", "first", "7"),
        ("path\n#### 18", "boxed", "18"),
        ("so the answer is 15 gallons * 8\n#### 120", "the_answer_is", "120"),
        ("so the answer is 1/2\n#### 1/2", "the_answer_is", "1/2"),
        ("The answer is 7.", "the_answer_is", "7"),
        ("path\n#### 18 apples in 2 days", "flexible", "18 apples in 2 days"),
        ("72", "first", "72"),
        ("x + 1", "boxed", "x + 1"),
        ("a path\nwithout an answer", "first", None),
        ("", "first", None),
        ("#### ", "first", None),
        ("18 apples ####", "first", None),
    ],
)
def test_a_reference_is_read_like_a_response_and_then_by_its_mark(
    answer: str, mode: str, reference: str | None
) -> None:
    assert reference_answer(answer, mode) == reference
