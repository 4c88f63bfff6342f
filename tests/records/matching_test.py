"""Which problem a prompt is about."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rft_jax.records import Problem
from rft_jax.records.matching import Matcher

TEMPLATES = [
    "{}", "Q: {}", "Q:{}\nA:", "Question: {}\nAnswer:", "Think.{}", "1. {}\n", "1) {}", "**{}**",
    "Q: 1+1=\nA: 2\n\nQ: {}\nA:", "1+1=2\n{}", "1 + 1 = 2\n\n{}\n", "[INST] {} [/INST]",
    "<q>{}</q>", "问题：{}答案：", "问题{}的答案", '"{}"',
    "Question 7 - Calculate: {} . Give a number.",
]  # fmt: skip
QUESTIONS = [
    "2+2=",
    "-2 + 2 =",
    "12+3",
    "(1+2)*3=",
    "What is it?",
    "What is 2+2?",
    "小明有3个苹果？",
]


def _find(questions: list[str], *prompts: str) -> list[str | None]:
    matcher = Matcher([Problem(question, question, "4") for question in questions])
    return [matcher.find(None, prompt) for prompt in prompts]


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_is_found_in_a_template(template: str, question: str) -> None:
    prompts = [template.replace("{}", one) for one in (question, "other", question)]
    assert _find([question, "0+0="], *prompts) == [question, None, question]


@pytest.mark.parametrize(
    ("question", "prompt"),
    [
        ("2+2=", "112+2="), ("2+2=", "4-2+2="), ("2+2=", "0.2+2="), ("2+2=", "4 - 2 + 2="),
        ("2 + 2 =", "Q: 4 - 2 + 2 =\nA:"), ("2+2=", "3*(2+2="), ("(2+2)=", "3 * (2+2)="),
        ("7*6=", "Q: 17*6=\nA:"), ("12+3", "112+3="), ("12+3", "12+35="), ("12+3", "12+3.5="),
        ("12+3", "12+3*4="), ("12 + 3", "12 + 3 + 4 ="), ("-2+2=", "4-2+2="),
        ("x+2=5", "Solve 3x+2=5"), ("2+2=", "x*2+2="), ("2+2=", "4=2+2="), ("2+2", "1,2+2"),
        ("art of it?", "A part of it?"), ("How man", "How many?"),
    ],
)  # fmt: skip
def test_a_part_of_another_question_is_not_found(question: str, prompt: str) -> None:
    assert _find([question], prompt) == [None]
    template = "Q: {}\nA:"  # of which the ending is known
    filled = [template.replace("{}", one) for one in (question, prompt)]
    assert _find([question], *filled) == [question, None]


numbers = st.one_of(
    st.integers(-999, 999).map(str), st.decimals(0, 99, places=1).map(str), st.just("(1+2)")
)
signs = st.sampled_from("+-*/")


@given(data=st.data(), space=st.sampled_from(["", " "]), end=st.sampled_from(["", "=", " = ?"]))
def test_a_calculation_is_found_as_a_whole_or_not(
    data: st.DataObject, space: str, end: str
) -> None:
    """Of two calculations, one of which is within the other, each is found as itself only."""
    count = data.draw(st.integers(2, 5))
    parts = [data.draw(numbers)]
    for _ in range(count):
        parts += [data.draw(signs), data.draw(numbers)]
    first = data.draw(st.integers(0, count))
    last = data.draw(st.integers(first, count))
    assume((first, last) != (0, count))
    whole, part = (space.join(one) + end for one in (parts, parts[2 * first : 2 * last + 1]))
    prompts = [f"Question: {one}\nAnswer:" for one in (part, whole)]
    assert _find([part], *prompts) == [part, None]
    assert _find([part], *prompts[::-1]) == [None, part]
    assert _find([part, whole], *prompts) == [part, whole]
