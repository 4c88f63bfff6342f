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


SHOTS = [
    "Q: {}\nA: 3+2=5\n\nQ: {}\nA:",
    "Question 1: {}\nAnswer 1: 5\n\nQuestion 2: {}\nAnswer 2: Let's think",
    "Solve.\n\nProblem:\n{}\n\nSolution:\nIt is 5.\n\nProblem:\n{}\n\nSolution:\n",
    "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n5<|im_end|>\n"
    "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n",
    "[INST] {} [/INST] 5 [INST] {} [/INST]", "<q>{}</q> 5 <q>{}</q>",
    "问题：{}答案：5 问题：{}答案：", "{}\nIt is 5.\n\n{}\n", "{} 5\n{}",
    "Q: {}\nIt is 5.\n\nQ: {}",
]  # fmt: skip
BOBS = [f"Bob has {n} pens and {n + 1} cups. How many?" for n in range(20)]


@pytest.mark.parametrize("template", SHOTS)
@pytest.mark.parametrize(
    ("example", "others"),
    [("Ann has 3 apples. How many?", BOBS), ("2+2=", [f"{n}*3-{n}=" for n in range(20)])],
)
def test_a_prompt_of_another_question_is_not_of_its_example(
    template: str, example: str, others: list[str]
) -> None:
    prompts = [template.format(example, other) for other in others]
    assert _find([example], *prompts) == [None] * 20
    assert _find([example, others[-1]], *prompts) == [None] * 19 + [others[-1]]
    assert _find([example], template.format(others[0], example)) == [example]


@given(st.lists(st.tuples(st.sampled_from(SHOTS), st.integers(0, 9), st.integers(0, 9))))
def test_what_is_found_does_not_depend_on_other_prompts(
    shots: list[tuple[str, int, int]],
) -> None:
    prompts = [template.format(BOBS[example], BOBS[asked]) for template, example, asked in shots]
    expected = [BOBS[asked] if asked < 5 else None for *_, asked in shots]
    assert _find(BOBS[:5], *prompts) == expected
    assert _find(BOBS[:5], *prompts[::-1]) == expected[::-1]


def test_every_prompt_may_have_an_ending_of_its_own() -> None:
    assert _find(BOBS, *(f"{one}\n(item p{n})" for n, one in enumerate(BOBS))) == BOBS
    assert _find(BOBS, *(f"{BOBS[0]}\n(item p{n})" for n in range(20))) == [BOBS[0]] * 20


@pytest.mark.parametrize(
    "template",
    [
        "{}\nPlease reason step by step, and put your final answer within \\boxed{}.",
        "{}\n\nThink first. What is the answer?\n\n### Response:",
        "Answer in a box.\n{}\nAnswer in a box.",
        "<|im_start|>user\n{} Think.<|im_end|>\n<|im_start|>assistant\n<think>\n",
        "### Instruction:\n{}\n\n### Response: Let's think step by step.",
        "<|start_header_id|>user<|end_header_id|>\n\n{}<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n",
        "{}\nRules:" + " An answer is a number." * 200,
    ],
)
@pytest.mark.parametrize("question", QUESTIONS)
def test_what_a_template_puts_behind_is_not_a_question(template: str, question: str) -> None:
    assert _find([question], template.replace("{}", question, 1)) == [question]


def test_how_far_before_the_end_a_question_is_searched_for_is_bounded() -> None:
    assert _find(BOBS, *(f"{BOBS[3]} Note:" + " of" * n for n in (6000, 7000))) == [BOBS[3], None]
