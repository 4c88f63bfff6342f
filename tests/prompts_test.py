"""Prompt templates: what they render, and how a model folder carries one."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rft_jax.errors import UserError
from rft_jax.prompts import (
    PROGRAM_CUE,
    TEMPLATES,
    Template,
    get_template,
    load_template,
    save_template,
    shown,
    template_identity,
    with_cue,
)

# The chat template of SmolLM2-135M-Instruct, as published.
SMOLLM2 = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face"
    "<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + "
    "'<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


@given(st.text(), st.sampled_from(sorted(TEMPLATES)))
def test_a_question_stands_in_the_prompt_as_it_is(question: str, name: str) -> None:
    before, after = TEMPLATES[name].prompt.split("{question}")
    assert TEMPLATES[name].render(question) == before + question + after


def test_smollm2_is_what_its_own_chat_template_renders() -> None:
    jinja2 = pytest.importorskip("jinja2")
    expected = jinja2.Template(SMOLLM2).render(
        messages=[{"role": "user", "content": "2+2?"}], add_generation_prompt=True
    )
    assert get_template("smollm2").render("2+2?") == expected
    start = expected.index("<|im_start|>user")  # the system message is before it
    assert get_template("chatml").render("2+2?") == expected[start:]


def test_a_folder_trained_with_another_template_of_that_name_renders_as_it_was_trained(
    tmp_path: Path,
) -> None:
    former = Template("chatml", get_template("smollm2").prompt)
    save_template(former, tmp_path)
    assert load_template(tmp_path) == former != get_template("chatml")
    assert {template_identity(one) for one in ("chatml", "chatml+program")}.isdisjoint(
        {"chatml", "chatml+program"}
    )
    assert template_identity("smollm2+program") == "smollm2+program"


def test_a_folder_carries_its_template(tmp_path: Path) -> None:
    assert load_template(tmp_path) is None
    template = Template("mine", "{Q: {question} }\n")
    save_template(template, tmp_path)
    assert load_template(tmp_path) == template


def test_a_template_without_its_question_or_of_no_known_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no template 'nope'; there are 'none', 'plain', 'alpaca'"):
        get_template("nope")
    path = tmp_path / "prompt_template.json"
    for content, message in (
        ('{"name": "mine", "prompt": "Q:"}', r"template\.json: the prompt has no \{question\}"),
        ('{"name": "mine"}', r"prompt_template\.json: .* is needed"),
        ("[1]", r"prompt_template\.json: .* is needed"),
        ("[" * 100_000, r"prompt_template\.json: not JSON"),
    ):
        path.write_text(content)
        with pytest.raises(UserError, match=message):
            load_template(tmp_path)


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_a_template_asks_for_a_program_by_the_cue_behind_the_question(name: str) -> None:
    plain, asking = get_template(name), get_template(f"{name}+program")
    assert asking.render("2+2?") == plain.render("2+2? Let's write a program.")
    own = Template("mine", "Q: {question}\nA:")
    assert get_template("", own) == own
    assert get_template("+program", own).render("2?") == "Q: 2? Let's write a program.\nA:"


@pytest.mark.parametrize(
    "question", ["2? Let's write a Python program.", "2? Please answer in Python.", "2? let's code"]
)
def test_a_question_that_asks_for_a_program_gets_no_second_cue(question: str) -> None:
    assert with_cue(question) == question
    assert get_template("plain+program").render(question) == f"{question}\n"


@pytest.mark.parametrize("question", ["2?", "A pythonic 2?", "In Python_3?", "Python" + 200 * "2"])
def test_a_question_that_does_not_ask_for_a_program_at_its_end_gets_the_cue(question: str) -> None:
    assert with_cue(question) == question + PROGRAM_CUE


def test_a_folder_carries_the_template_with_the_cue(tmp_path: Path) -> None:
    template = get_template("alpaca+program")
    save_template(template, tmp_path)
    assert load_template(tmp_path) == template


@pytest.mark.parametrize("name", ["code", "code+program", "program"])
def test_an_unknown_template_is_refused_with_and_without_the_cue(name: str) -> None:
    with pytest.raises(UserError, match=r"no template '\w+'; there are 'none', 'plain'.*\+program"):
        get_template(name, Template("mine", "{question}"))


def test_a_prompt_is_shown_line_by_line_and_a_long_one_shortened() -> None:
    assert shown("How many?\nAnswer:") == "  | How many?\n  | Answer:"
    lines = shown("\n".join(f"line {i}" for i in range(100))).split("\n")
    assert len(lines) == 21
    assert (lines[0], lines[10], lines[-1]) == (
        "  | line 0",
        "  | … 80 more lines …",
        "  | line 99",
    )
    assert len(shown("x" * 10_000)) < 600


def test_a_prompts_control_characters_do_not_reach_a_terminal() -> None:
    assert shown("a\x1b[2Jb\rc") == "  | a\ufffd[2Jb\ufffdc"
