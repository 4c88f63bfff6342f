"""A response ends where its answer does, for every way to read one."""

from __future__ import annotations

import time
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rft_jax.verify.answer_end import end_of_answer
from rft_jax.verify.answers import READERS, answer_reader
from rft_jax.verify.grading import Grader


@pytest.mark.parametrize(
    ("mode", "answer", "rest"),
    [
        ("first", "1 + 2 = 3\n#### 3", ""),
        ("first", "1 + 2 = 3\n#### 3", "\nthanks\nthanks"),
        ("first", "1 + 2 = 3\n#### 3", " thanks"),
        ("first", "1 + 2 = 3\n#### 3", "\n#### 4"),
        ("first", "1 + 2 = 3\n#### 3\n", ""),
        ("last", "#### 4\nno:\n#### 3", "\nthanks"),
        ("last", "#### 3", "\nonce more\n#### 3"),
        ("boxed", r"so \boxed{3}", "\nthanks\nthanks"),
        ("the_answer_is", "The answer is 3.", " Thanks!\nthanks"),
        ("strict", "#### 3", "\n#### 4"),
        ("flexible", "12 of them\nso 3", "\nthanks"),
        ("first", "no answer\nat all", ""),
    ],
)
def test_what_follows_the_answer_is_left_out(mode: str, answer: str, rest: str) -> None:
    assert end_of_answer(answer + rest, answer_reader(mode)) == len(answer)


def test_a_number_is_never_cut_short() -> None:
    text = "#### 12,500"
    assert end_of_answer(text, answer_reader("first")) == len(text)


def test_an_answer_that_is_a_formula_is_kept_whole() -> None:
    text = "#### 1/2 of it\nthanks"
    assert text[: end_of_answer(text, answer_reader("first", "1/2"))] == "#### 1/2 of it"


@pytest.mark.parametrize(
    ("mode", "text"),
    [
        ("boxed", r"so \[ \boxed{3} \]"),
        ("boxed", "so\n\\[\n\\boxed{3}\n\\]\n"),
        ("boxed", r"**So $ \boxed{3} $ .**"),
        ("boxed", "\\begin{align*}\n\\boxed{3}\n\\end{align*}"),
        ("boxed", "<answer> \\boxed{3} </answer>"),
        ("the_answer_is", r"So \( the answer is 3. \)"),
    ],
)
def test_what_closes_the_formula_around_an_answer_belongs_to_it(mode: str, text: str) -> None:
    with closing(Grader(mode)) as grader:
        assert grader.answer_end(text, "3") == len(text)
        assert grader.answer_end(text + " thanks", "3") < len(text)


@pytest.mark.parametrize("rest", ["\n.", " $", "\n\\]"])
def test_behind_a_marked_answer_nothing_is_closed(rest: str) -> None:
    with closing(Grader("first")) as grader:
        assert grader.answer_end("#### 3" + rest, "3") == len("#### 3")


@pytest.mark.parametrize("mode", ["last", "flexible", "arithmetic"])
def test_formats_whose_last_answer_counts_read_on(mode: str) -> None:
    text = "#### 1=1\nor\n#### 2=2"
    assert end_of_answer(text, answer_reader(mode)) == len(text)


@given(
    st.text(alphabet="#1 23.\n\\boxed{}the answer is", max_size=60), st.sampled_from(list(READERS))
)
def test_the_shorter_text_gives_the_same_answer(text: str, mode: str) -> None:
    read = answer_reader(mode)
    assert read(text[: end_of_answer(text, read)]) == read(text)


def test_a_hostile_response_takes_bounded_time() -> None:
    text = "#### 3" + "\nx" * 50_000
    began = time.process_time()
    assert end_of_answer(text, answer_reader("last")) > 0
    assert time.process_time() - began < 10
