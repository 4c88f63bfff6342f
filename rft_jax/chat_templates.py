"""Chat templates (Jinja) of Hugging Face folders as prompt templates, and the reverse.

A chat template is a program of somebody else. It is run once per model, in Jinja's immutable
sandbox, in a process with limits on CPU time and memory, on one conversation with a mark in the
place of the question. What comes out around the mark is the prompt template; every question is then
put into that text, and no foreign code runs.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rft_jax.errors import UserError
from rft_jax.files.jsonl import atomic_write, read_object
from rft_jax.prompts import (
    ASKING_CHARACTERS,
    ASKING_PHRASES,
    ASKING_WORD,
    CHAT,
    PROGRAM_CUE,
    QUESTION,
    Template,
    get_template,
    load_template,
)
from rft_jax.workers.child import Child, ChildDiedError
from rft_jax.workers.limits import limit_cpu, limit_memory

FILE_NAME = "chat_template.jinja"
DEFAULT_TEMPLATE = "plain"
"""Of a model folder without any template."""
TOKENIZER_CONFIG = "tokenizer_config.json"
logger = logging.getLogger(__name__)
_OLDER_FILES = ("chat_template.json", TOKENIZER_CONFIG)
_SPECIAL_TOKENS_FILES = ("special_tokens_map.json", TOKENIZER_CONFIG)
_MARK = "Qk7wMARKz3"
_CPU_SECONDS = 5.0
_WALL_SECONDS = 120.0  # for a machine under load; CPU time is what ends a template
_MEMORY = 1 << 30
_MAX_CHARS = 100_000


@dataclass(frozen=True)
class ChatTemplate:
    """A model folder's chat template.

    Attributes:
      source: the Jinja text.
      tokens: `bos_token`, `eos_token` and others that it may name.
      where: the file, for messages.
    """

    source: str
    tokens: Mapping[str, str]
    where: str

    def to_prompt(self, system: str = "") -> Template:
        """The prompt for one question, up to where the model's answer begins.

        Args:
          system: the system message; '' for none, which leaves the template's own default.

        Raises:
          UserError: the template fails, takes too long, or does more to a question than to insert
            it or to strip it.
        """
        padded, cued = f"\n {_MARK} \n", _MARK + PROGRAM_CUE
        plain, spaced, asking = self._render([_MARK, padded, cued], system)
        strips = spaced == plain
        adds_cue = cued in plain == asking  # as an export does, unless the question asks already
        if (
            plain.count(_MARK) != 1
            or not (strips or spaced == plain.replace(_MARK, padded))
            or not (adds_cue or asking == plain.replace(_MARK, cued))
        ):
            raise UserError(
                f"{self.where}: the chat template does more to a question than to insert it; name "
                "another template, or write prompt_template.json"
            )
        if QUESTION in plain:
            raise UserError(
                f"{self.where}: the chat template writes {QUESTION} itself, where every question "
                "would be inserted again; name another template, or write prompt_template.json"
            )
        prompt = plain.replace(cued if adds_cue else _MARK, QUESTION)
        return Template(CHAT, prompt, asks_for_program=adds_cue, strips_question=strips)

    def _render(self, questions: list[str], system: str) -> list[str]:
        head = [{"role": "system", "content": system}] if system else []
        chats = [[*head, {"role": "user", "content": question}] for question in questions]
        child = Child(f"{__name__}:make_renderer", self.source, dict(self.tokens), _CPU_SECONDS)
        try:
            child.send(chats)
            reply = child.receive(timeout=_WALL_SECONDS)
        except (TimeoutError, ChildDiedError):
            reply = {"error": f"stopped: over {_CPU_SECONDS:g} s of CPU time, or too much memory"}
        finally:
            child.close()
        if "error" in reply:
            raise UserError(
                f"{self.where}: the chat template can't be rendered ({reply['error']}); name "
                "another template, or write prompt_template.json"
            )
        return reply["texts"]


def make_renderer(
    source: str, tokens: dict[str, str], cpu_seconds: float
) -> Callable[[list], dict[str, Any]]:
    """In the child: the function that renders chats by a Jinja text, under limits."""
    environment = _environment()
    limit_memory(_MEMORY)
    limit_cpu(cpu_seconds)

    def render(chats: list) -> dict[str, Any]:
        try:
            template = environment.from_string(source)
            # What templates ask `is none` of is None in transformers, not undefined.
            options = {"add_generation_prompt": True, "tools": None, "documents": None, **tokens}
            texts = [template.render(messages=chat, **options) for chat in chats]
        except (Exception, MemoryError, RecursionError) as error:
            return {"error": f"{type(error).__name__}: {error}"[:300]}
        if max(map(len, texts)) > _MAX_CHARS:
            return {"error": f"over {_MAX_CHARS} characters"}
        return {"texts": texts}

    return render


def _environment() -> Any:
    """Jinja as transformers sets it up, but without today's date, so that prompts stay the same."""
    import jinja2
    from jinja2.ext import Extension, loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """`{% generation %}`, which marks the model's words for training, changes no text."""

        tags = {"generation"}

        def parse(self, parser: Any) -> Any:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    def refuse(message: str) -> None:
        raise jinja2.TemplateError(message)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols]
    )
    environment.filters["tojson"] = partial(json.dumps, ensure_ascii=False)
    environment.globals["raise_exception"] = refuse
    return environment


def read_chat_template(folder: str | Path) -> ChatTemplate | None:
    """The chat template of a model folder, or None; of several named ones, `default`.

    Raises:
      UserError: a file that may have one can't be read.
    """
    folder = Path(folder)
    if (folder / FILE_NAME).is_file():
        source: Any = (folder / FILE_NAME).read_text("utf-8", errors="replace")
        return ChatTemplate(source, _special_tokens(folder), str(folder / FILE_NAME))
    for name in _OLDER_FILES:
        source = _object(folder / name).get("chat_template")
        if isinstance(source, list):
            named = [
                one for one in source if isinstance(one, dict) and one.get("name") == "default"
            ]
            source = named[0].get("template") if named else None
        if isinstance(source, str):
            return ChatTemplate(source, _special_tokens(folder), str(folder / name))
    return None


def own_template(folder: str | Path) -> Template:
    """The prompt template that a model folder carries: its own, else its chat template's.

    Raises:
      UserError: the file, or the chat template, can't be used.
    """
    template = load_template(folder)
    if template is not None:
        return template
    chat = read_chat_template(folder)
    if chat is None:
        return get_template(DEFAULT_TEMPLATE)
    logger.info("prompts have the form of the model's chat template (%s)", chat.where)
    return chat.to_prompt()


def _object(path: Path) -> dict[str, Any]:
    return read_object(path) if path.is_file() else {}


def _special_tokens(folder: Path) -> dict[str, str]:
    """`bos_token` and others, as the tokenizer's files declare them: texts or objects."""
    tokens = {}
    for file in _SPECIAL_TOKENS_FILES:  # of two that declare one, the last
        for name, value in _object(folder / file).items():
            text = value.get("content") if isinstance(value, dict) else value
            if name.endswith("_token") and isinstance(text, str):
                tokens[name] = text
    return tokens


def write_chat_template(folder: str | Path, template: Template, has_bos: bool) -> None:
    """Has other programs ask as `template` does, unless the folder's chat template does already.

    Args:
      folder: of a model, with its tokenizer's files.
      has_bos: whether the tokenizer puts its BOS in front of every prompt.
    """
    own = read_chat_template(folder)
    with suppress(UserError):  # one that can't be rendered is replaced
        if own is not None and own.to_prompt() == template:
            return
    bos = _special_tokens(Path(folder)).get("bos_token", "")
    with atomic_write(Path(folder) / FILE_NAME) as file:
        file.write(to_chat_template(template, has_bos and not template.prompt.startswith(bos)))


_JINJA = """\
{{%- for message in messages -%}}
{{%- if message['role'] == 'user' -%}}
{cue}{{{{- {prompt} -}}}}
{{%- elif message['role'] == 'assistant' -%}}
{{{{- message['content'] + eos_token -}}}}
{{%- else -%}}
{{{{- raise_exception('this model was trained without ' + message['role'] + ' messages') -}}}}
{{%- endif -%}}
{{%- endfor -%}}
"""

# `prompts.with_cue` in Jinja. A loop over `message['content']` itself, or over a variable named
# `content`, would have vLLM pass a list of parts instead of a text.
_CUE = """\
{{%- set question = {question} -%}}
{{%- set end = question[-{characters}:]{folded}|lower -%}}
{{%- set words -%}}
{{%- for letter in end -%}}
{{{{- letter if letter.isalnum() or letter == '_' else ' ' -}}}}
{{%- endfor -%}}
{{%- endset -%}}
{{%- if not ({phrases} or {word} in ' ' + words + ' ') -%}}
{{%- set question = question + {cue} -%}}
{{%- endif -%}}
"""
# What re.IGNORECASE takes for a letter of ASCII and lower case does not change into it.
_FOLDED = {"\u0130": "i", "\u0131": "i", "\u017f": "s"}


def to_chat_template(template: Template, has_bos: bool) -> str:
    """The Jinja text with which other programs ask as this prompt template does.

    Args:
      has_bos: whether BOS stands before the prompt's text.
    """
    question = "message['content']" + ("|trim" if template.strips_question else "")
    cue = _cue(question) if template.asks_for_program else ""
    question = "question" if cue else question
    prompt = f" + {question} + ".join(map(_literal, template.prompt.split(QUESTION)))
    return _JINJA.format(cue=cue, prompt=f"bos_token + {prompt}" if has_bos else prompt)


def _cue(question: str) -> str:
    """The Jinja lines that set `question` to an expression's value, with the cue if it needs it."""
    return _CUE.format(
        question=question,
        characters=ASKING_CHARACTERS,
        folded="".join(f"|replace({_literal(a)}, {_literal(b)})" for a, b in _FOLDED.items()),
        phrases=" or ".join(f"{_literal(phrase)} in end" for phrase in ASKING_PHRASES),
        word=_literal(f" {ASKING_WORD} "),
        cue=_literal(PROGRAM_CUE),
    )


def _literal(text: str) -> str:
    """A string of Jinja's, which knows Python's escapes."""
    escaped = text.encode("unicode_escape").decode("ascii").replace("'", "\\'")
    return f"'{escaped}'"
