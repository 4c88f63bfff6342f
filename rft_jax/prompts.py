"""Prompt templates: the text around a question that a model answers.

A model folder carries its template (`prompt_template.json`), so nobody has to remember it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rft_jax.errors import UserError
from rft_jax.files.jsonl import read_json, write_json

FILE_NAME = "prompt_template.json"


@dataclass(frozen=True)
class Template:
    """A prompt with `{question}` in the place of the question; other braces mean themselves.

    Attributes:
      name: for settings and messages.
      prompt: the text.
    """

    name: str
    prompt: str

    def __post_init__(self) -> None:
        if "{question}" not in self.prompt:
            raise UserError(f"template {self.name!r}: the prompt has no {{question}} in it")

    def render(self, question: str) -> str:
        """The prompt for a question."""
        return self.prompt.replace("{question}", question)


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
        # ChatML as SmolLM2-Instruct's own chat template writes it, system message included.
        Template(
            "chatml",
            "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging "
            "Face<|im_end|>\n<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n",
        ),
    )
}


def get_template(name: str) -> Template:
    """The template of that name.

    Raises:
      UserError: there is none; lists the names.
    """
    if name not in TEMPLATES:
        raise UserError(f"no template {name!r}; there are {', '.join(TEMPLATES)}")
    return TEMPLATES[name]


def save_template(template: Template, folder: str | Path) -> None:
    """Writes `prompt_template.json` into a model folder."""
    write_json(Path(folder) / FILE_NAME, {"name": template.name, "prompt": template.prompt})


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
    return Template(str(content.get("name", "custom")), content["prompt"])
