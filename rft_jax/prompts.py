"""Prompt templates: the text around a question that a model answers.

A model folder carries its template (`prompt_template.json`), so nobody has to remember it. Behind
a template's name, `+program` asks for a program: the cue stands after the question.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from rft_jax.errors import UserError
from rft_jax.files.jsonl import read_json, write_json

FILE_NAME = "prompt_template.json"
QUESTION = "{question}"
"""What a prompt has in the place of the question."""
CHAT = "chat"
"""Names the template that a model's chat template gives (`rft_jax.chat_templates`)."""
PROGRAM_CUE = " Let's write a program."
"""What asks for a program, behind a question; MAmmoTH's (arXiv 2309.05653)."""
PROGRAM_SUFFIX = "+program"
"""Behind a template's name: the same template with the cue."""
_SWITCHES = ("asks_for_program", "strips_question")
ASKING_PHRASES = ("let's write", "let's program", "let's code")
"""How instructions ask for a program themselves at their end, in MathInstruct for example."""
ASKING_WORD = "python"
"""The same, as a word."""
ASKING_CHARACTERS = 200
"""How long a question's end is."""
_ASKS = re.compile(
    "|".join([*map(re.escape, ASKING_PHRASES), rf"\b{ASKING_WORD}\b"]), re.IGNORECASE
)
_SHOWN_LINES, _WIDTH = 20, 500


def with_cue(question: str) -> str:
    """The question with the cue behind it, unless its end asks for a program already."""
    return question if _ASKS.search(question[-ASKING_CHARACTERS:]) else question + PROGRAM_CUE


@dataclass(frozen=True)
class Template:
    """A prompt with `{question}` in the place of the question; other braces mean themselves.

    Attributes:
      name: for settings and messages.
      prompt: the text.
      asks_for_program: whether the cue stands behind the question.
      strips_question: whether white space around the question is removed.
    """

    name: str
    prompt: str
    asks_for_program: bool = False
    strips_question: bool = False

    def __post_init__(self) -> None:
        if QUESTION not in self.prompt:
            raise UserError(f"template {self.name!r}: the prompt has no {{question}} in it")

    @property
    def form(self) -> str:
        """The form of the responses that prompts ask for, `text` or `program`."""
        return "program" if self.asks_for_program else "text"

    def asking_for(self, form: str) -> Template:
        """The template for a row of that form: with the cue for a program, else as it is."""
        return replace(self, asks_for_program=True) if form == "program" else self

    def render(self, question: str) -> str:
        """The prompt for a question."""
        asked = question.strip() if self.strips_question else question
        asked = with_cue(asked) if self.asks_for_program else asked
        return self.prompt.replace(QUESTION, asked)


def shown(prompt: str) -> str:
    """A prompt in lines of its own, for people to look at; of a long one, its beginning and end."""
    lines = prompt.split("\n")
    if len(lines) > _SHOWN_LINES:
        half = _SHOWN_LINES // 2
        lines = [*lines[:half], f"… {len(lines) - 2 * half} more lines …", *lines[-half:]]
    cut = [line if len(line) <= _WIDTH else f"{line[:_WIDTH]}…" for line in lines]
    # Data may have control characters, which a terminal would obey.
    return "\n".join("  | " + "".join(c if c.isprintable() else "\ufffd" for c in x) for x in cut)


TEMPLATES = {
    template.name: template
    for template in (
        Template("none", "{question}"),
        Template("plain", "{question}\n"),
        # The instruction format of the paper's code (that of Stanford Alpaca).
        Template(
            "alpaca",
            "Below is an instruction that describes a task. Write a response that appropriately "
            "completes the request.\n\n### Instruction:\n{question}\n\n### Response:",
        ),
        Template("chatml", "<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"),
        # As SmolLM2-Instruct's own chat template writes it, system message included.
        Template(
            "smollm2",
            "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging "
            "Face<|im_end|>\n<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n",
        ),
    )
}


# For a while after version 0.1.0, `chatml` was what `smollm2` is.
_IDENTITIES = {"chatml": "chatml without a system message"}


def plain_name(name: str) -> str:
    """A template's name without the suffix that asks for a program."""
    return name.removesuffix(PROGRAM_SUFFIX)


def template_identity(name: str) -> str:
    """What tells a template's name from others, also where it has meant another template."""
    plain = plain_name(name)
    return _IDENTITIES.get(plain, plain) + name[len(plain) :]


def get_template(
    name: str, own: Template | None = None, chat: Callable[[], Template] | None = None
) -> Template:
    """The template of that name, with the cue for a name that ends in `+program`.

    Args:
      own: what '' names.
      chat: makes what 'chat' names.

    Raises:
      UserError: there is none; lists the names.
    """
    plain = plain_name(name)
    template = TEMPLATES.get(plain) if plain or own is None else own
    if plain == CHAT:
        if chat is None:
            raise UserError(f"template {CHAT!r}: the model has no chat template; name another one")
        template = chat()
    if template is None:
        raise UserError(
            f"no template {plain!r}; there are {', '.join(map(repr, (*TEMPLATES, CHAT)))}, each "
            f"also with {PROGRAM_SUFFIX} behind it"
        )
    if plain == name:
        return template
    return replace(template.asking_for("program"), name=template.name + PROGRAM_SUFFIX)


def save_template(template: Template, folder: str | Path) -> None:
    """Writes `prompt_template.json` into a model folder."""
    content: dict[str, str | bool] = {"name": template.name, "prompt": template.prompt}
    content |= {name: True for name in _SWITCHES if getattr(template, name)}
    write_json(Path(folder) / FILE_NAME, content)


def load_template(folder: str | Path) -> Template | None:
    """The template a model folder carries, or None.

    Raises:
      UserError: the file is not a template.
    """
    path = Path(folder) / FILE_NAME
    if not path.exists():
        return None
    content = read_json(path)
    if not (isinstance(content, dict) and isinstance(content.get("prompt"), str)):
        raise UserError(f"{path}: {{'name': …, 'prompt': …}} is needed")
    if QUESTION not in content["prompt"]:
        raise UserError(f"{path}: the prompt has no {QUESTION} in it; put it where questions stand")
    switches = {name: bool(content.get(name, False)) for name in _SWITCHES}
    return Template(str(content.get("name", "custom")), content["prompt"], **switches)
