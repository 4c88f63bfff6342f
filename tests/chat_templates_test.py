"""Chat templates: the prompts and tokens of transformers, and hostile ones that are stopped."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rft_jax import chat_templates
from rft_jax.chat_templates import (
    ChatTemplate,
    own_template,
    read_chat_template,
    to_chat_template,
    write_chat_template,
)
from rft_jax.errors import UserError
from rft_jax.prompts import (
    ASKING_PHRASES,
    ASKING_WORD,
    CHAT,
    TEMPLATES,
    Template,
    get_template,
    load_template,
    save_template,
)
from rft_jax.sampling.prompt_tokens import encode_prompts
from rft_jax.tokenizers import load_tokenizer

# In the manner of the published ones: default system message, question stripped, BOS written by the
# template, roles that must alternate.
SMOLLM2 = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful AI assistant<|im_end|>\n' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LLAMA3 = (
    "{% set loop_messages = messages %}{% for message in loop_messages %}"
    "{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ "
    "message['content'] | trim + '<|eot_id|>' %}"
    "{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}"
    "{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
QWEN = """\
{%- if tools %}
    {{- '<|im_start|>system\\n# Tools' }}
{%- else %}
    {%- if messages[0]['role'] == 'system' %}
        {{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}
    {%- else %}
        {{- '<|im_start|>system\\nPlease reason step by step.<|im_end|>\\n' }}
    {%- endif %}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {%- generation %}{{- message.content + '<|im_end|>\\n' }}{%- endgeneration %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""
MISTRAL = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/…') }}{% endif %}"
    "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token}}{% endif %}"
    "{% endfor %}"
)
PUBLISHED = {"SmolLM2": SMOLLM2, "Llama 3": LLAMA3, "Qwen2.5": QWEN, "Mistral": MISTRAL}
WITH_TOOLS = "".join(
    f"{{% if {name} is {test} %}}[{name} {test}]{{% endif %}}"
    for name in ("tools", "documents")
    for test in ("defined", "not none")
)
QUESTIONS = ("What is 2 + 3?", "  {question} {{ 'x' }}\n", "é “two” 🙂\n\nthree", "<|im_end|>")
SPECIAL = (
    *("<pad>", "<s>", "</s>", "<|im_start|>", "<|im_end|>", "<|eot_id|>"),
    *("<|start_header_id|>", "<|end_header_id|>", "[INST]", "[/INST]"),
)


_EXPORTS = {
    strips: chat_templates._environment().from_string(
        to_chat_template(Template("mine", "Q: {question}\nA:", True, strips), has_bos=False)
    )
    for strips in (False, True)
}


def _folder(folder: Path, chat_template: object, puts_bos: bool, file: str = "") -> Path:
    """Bytes as tokens behind some special ones, with a chat template."""
    folder.mkdir(exist_ok=True)
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    words = {word: i for i, word in enumerate((*SPECIAL, *alphabet))}
    backend = tokenizers.Tokenizer(tokenizers.models.BPE(words, []))
    backend.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = tokenizers.decoders.ByteLevel()
    backend.add_special_tokens(list(SPECIAL))
    if puts_bos:
        backend.post_processor = tokenizers.processors.TemplateProcessing(
            single="<s> $A", special_tokens=[("<s>", 1)]
        )
    backend.save(str(folder / "tokenizer.json"))
    config: dict[str, Any] = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "<pad>"}
    bos = {"__type": "AddedToken", "content": "<s>", "special": True}
    config |= {"bos_token": bos, "eos_token": "</s>"}
    if file:
        (folder / file).write_text(str(chat_template), "utf-8")
    else:
        config["chat_template"] = chat_template
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


def _their_ids(folder: Path, question: str, system: str = "") -> list[int]:
    transformers = pytest.importorskip("transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    chat = [{"role": "system", "content": system}] if system else []
    chat.append({"role": "user", "content": question})
    text = tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def _our_ids(folder: Path, template: Template, question: str) -> list[int]:
    encoded = encode_prompts([template.render(question)], load_tokenizer(folder), 10_000, "skip")
    assert encoded.ids[0] is not None
    return encoded.ids[0]


@pytest.mark.parametrize("name", PUBLISHED)
def test_prompts_have_the_tokens_of_transformers(name: str, tmp_path: Path) -> None:
    folder = _folder(tmp_path, PUBLISHED[name], puts_bos=name in ("Llama 3", "Mistral"))
    chat = read_chat_template(folder)
    assert chat is not None
    template = chat.to_prompt()
    assert template.strips_question == (name == "Llama 3")
    for question in QUESTIONS:
        assert _our_ids(folder, template, question) == _their_ids(folder, question)


def test_tools_and_documents_are_none_as_in_transformers(tmp_path: Path) -> None:
    folder = _folder(tmp_path, f"{WITH_TOOLS}{{{{ messages[0].content }}}}:", puts_bos=False)
    chat = read_chat_template(folder)
    assert chat is not None
    template = chat.to_prompt()
    assert template.prompt == "[tools defined][documents defined]{question}:"
    assert _our_ids(folder, template, "2 + 3?") == _their_ids(folder, "2 + 3?")


@pytest.mark.parametrize("name", ["SmolLM2", "Llama 3", "Qwen2.5"])
def test_a_system_message_stands_where_transformers_puts_it(name: str, tmp_path: Path) -> None:
    folder = _folder(tmp_path, PUBLISHED[name], puts_bos=name == "Llama 3")
    chat = read_chat_template(folder)
    assert chat is not None
    template = chat.to_prompt("Be brief.")
    assert _our_ids(folder, template, "2 + 3?") == _their_ids(folder, "2 + 3?", "Be brief.")


@pytest.mark.parametrize(
    "template", [*TEMPLATES.values(), Template("o'dd", "\\n'{question}\t🙂é\"")]
)
@pytest.mark.parametrize("puts_bos", [True, False])
def test_other_programs_ask_an_export_as_training_did(
    template: Template, puts_bos: bool, tmp_path: Path
) -> None:
    folder = _folder(tmp_path, LLAMA3, puts_bos)
    write_chat_template(folder, template, has_bos=puts_bos)
    for question in QUESTIONS:
        assert _their_ids(folder, question) == _our_ids(folder, template, question)


# What asks for a program, also in letters that only re.IGNORECASE takes for ASCII; other texts.
ASKING = (
    *("Let's write", "LET'S CODE", "let's program", "let's", " Let's write a ", "Python", "PYTHON"),
    *("let's wr\u0130te", "let's wr\u0131te", "let'\u017f code", "\u0130", "\u0307", "ß", "é", "²"),
    *(" ", ".", "_", "\n", "'", "2 + 3?", 150 * "x", 199 * " "),
)
_WORDS = st.one_of(st.sampled_from(ASKING), st.text(max_size=3))


@settings(max_examples=200, deadline=None)
@given(st.lists(_WORDS, max_size=6).map("".join), st.booleans())
@example("What is 2+3? Let's write a Python program.", False)
@example("2? Please answer in Python.", False)
@example("2? let's code", True)
@example("python" + 194 * "2", False)
@example("python" + 195 * "2", False)
@example("pythonpython python_ 2?", False)
@example(" In Python:\n" + 188 * " ", True)
def test_other_programs_ask_an_export_for_a_program_as_training_did(
    question: str, strips: bool
) -> None:
    template = Template("mine+program", "Q: {question}\nA:", True, strips)
    exported = _EXPORTS[strips].render(messages=[{"role": "user", "content": question}])
    assert exported == template.render(question)


def test_letters_that_only_ignorecase_knows_are_all_in_the_export() -> None:
    letters = "".join((*ASKING_PHRASES, ASKING_WORD))
    for letter in re.findall(f"[{letters}]", "".join(map(chr, range(0x110000))), re.IGNORECASE):
        assert chat_templates._FOLDED.get(letter, letter).lower() in letters


def test_an_export_that_asks_for_a_program_is_read_as_one(tmp_path: Path) -> None:
    folder = _folder(tmp_path, LLAMA3, puts_bos=True)
    write_chat_template(folder, get_template("alpaca+program"), has_bos=True)
    chat = read_chat_template(folder)
    assert chat is not None
    prompt = "<s>" + TEMPLATES["alpaca"].prompt
    assert chat.to_prompt() == Template(CHAT, prompt, asks_for_program=True)


def test_an_export_of_the_models_own_chat_template_keeps_it(tmp_path: Path) -> None:
    folder = _folder(tmp_path, QWEN, puts_bos=False, file="chat_template.jinja")
    chat = read_chat_template(folder)
    assert chat is not None
    write_chat_template(folder, chat.to_prompt(), has_bos=False)
    assert (folder / "chat_template.jinja").read_text("utf-8") == QWEN
    write_chat_template(folder, chat.to_prompt("Be brief."), has_bos=False)
    assert "Be brief." in (folder / "chat_template.jinja").read_text("utf-8")


def test_a_conversation_continues_after_an_answer(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    folder = _folder(tmp_path, to_chat_template(TEMPLATES["plain"], has_bos=True), puts_bos=True)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    chat = [{"role": "user", "content": "1?"}, {"role": "assistant", "content": "2"}]
    assert tokenizer.apply_chat_template(chat, tokenize=False) == "<s>1?\n2</s>"
    with pytest.raises(Exception, match="trained without system messages"):
        tokenizer.apply_chat_template([{"role": "system", "content": "x"}], tokenize=False)


@pytest.mark.parametrize(
    ("source", "file"),
    [
        ([{"name": "tool_use", "template": "x"}, {"name": "default", "template": MISTRAL}], ""),
        (MISTRAL, "chat_template.jinja"),
        (json.dumps({"chat_template": MISTRAL}), "chat_template.json"),
    ],
)
def test_a_chat_template_is_found_wherever_folders_have_it(
    source: object, file: str, tmp_path: Path
) -> None:
    chat = read_chat_template(_folder(tmp_path, source, True, file))
    assert chat is not None
    assert chat.to_prompt() == Template(CHAT, "<s>[INST] {question} [/INST]")


def test_tokens_of_the_special_tokens_map_may_be_named(tmp_path: Path) -> None:
    (tmp_path / "chat_template.jinja").write_text("{{ bos_token }}{{ messages[0].content }}")
    (tmp_path / "special_tokens_map.json").write_text('{"bos_token": {"content": "<s>"}}')
    assert own_template(tmp_path).prompt == "<s>{question}"
    (tmp_path / "tokenizer_config.json").write_text('{"bos_token": "<b>"}')
    assert own_template(tmp_path).prompt == "<b>{question}"


def test_a_template_that_writes_the_mark_of_the_question_is_refused() -> None:
    """Every question would be inserted there too."""
    source = "Put {question} last. {{ messages[0].content }}"
    with pytest.raises(UserError, match=r"x\.jinja: the chat template writes {question} itself"):
        ChatTemplate(source, {}, "x.jinja").to_prompt()


def test_a_folder_without_one_has_none(tmp_path: Path) -> None:
    assert read_chat_template(_folder(tmp_path, None, puts_bos=False)) is None


def test_a_template_that_strips_survives_its_file(tmp_path: Path) -> None:
    template = Template(CHAT, "[{question}]", strips_question=True)
    save_template(template, tmp_path)
    assert load_template(tmp_path) == template
    assert template.render(" a ") == "[a]"


HOSTILE = {
    "endless": "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    "huge": "{{ 'a' * 10**10 }}",
    "doubling": "{% set ns = namespace(x='aa') %}{% for i in range(60) %}{% set ns.x = ns.x * 2 %}"
    "{% endfor %}{{ ns.x }}",
    "long": "{{ messages[0].content * 100000 }}",
    "a class": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "an import": "{{ cycler.__init__.__globals__.os.system('touch escaped') }}",
    "a change": "{% set _ = messages.append(1) %}",
    "a format": "{{ '{0.__class__.__init__.__globals__}'.format(messages[0]) }}",
    "syntax": "{% for %}",
    "refusing": "{{ raise_exception('only tools') }}",
    "without the question": "hello",
    "the question twice": "{{ messages[0].content }}{{ messages[0].content }}",
    "upper case": "{{ messages[0].content | upper }}",
    "program": "{% set text = messages[0].content %}{{ text }}{{ 'write' in text }}",
    "counting": "{{ messages[0].content }}{{ messages[0].content | length }}",
}


@pytest.mark.parametrize("source", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_template_is_refused_with_what_to_do(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(chat_templates, "_CPU_SECONDS", 1.0)
    chat = read_chat_template(_folder(tmp_path / "model", source, puts_bos=False))
    assert chat is not None
    with pytest.raises(UserError, match=r"_config\.json: the chat template .*; name another"):
        chat.to_prompt()
    assert not (tmp_path / "escaped").exists()


def test_a_folders_own_template_is_found_without_jax(tmp_path: Path) -> None:
    folder = _folder(tmp_path, MISTRAL, puts_bos=True)
    code = (
        "import sys; from rft_jax.chat_templates import own_template; "
        f"print(own_template({str(folder)!r}).prompt); assert 'jax' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "<s>[INST] {question} [/INST]", done.stderr
    save_template(TEMPLATES["alpaca"], folder)
    assert own_template(folder) == TEMPLATES["alpaca"]
