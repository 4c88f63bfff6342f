"""Training examples of problems and paths, in plain Python."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rft_jax.data.sources import load_problems
from rft_jax.errors import UserError
from rft_jax.files.jsonl import read_rows
from rft_jax.prompts import with_cue
from rft_jax.records.fields import ANSWER, QUESTION, form_field
from rft_jax.tokenizers import replace_surrogates


def training_examples(spec: str, form: str | None = None) -> Iterator[tuple[str, str]]:
    """(question, response) pairs of a problems file, a paths file or a named set, in order.

    Behind the question of a program stands the cue, as the prompts that ask for programs have it. A
    lone surrogate, which no tokenizer reads, becomes U+FFFD.

    Args:
      spec: the file or the name.
      form: of the responses; None for all.

    Raises:
      UserError: there is no such file or set, it is empty, or a row lacks one of the two.
    """
    if not Path(spec).is_file():
        for problem in load_problems(spec):
            if form in (None, problem.form):
                yield _example(problem.question, problem.answer, problem.form)
        return
    number = 0
    for number, row in read_rows(spec):
        where = f"{spec}:{number}"
        question, response = _text(row, QUESTION, where), _text(row, ANSWER, where)
        found = form_field(row, where)
        if form in (None, found):
            yield _example(question, response, found)
    if not number:
        raise UserError(f"{spec}: holds no example")


def _example(question: str, response: str, form: str) -> tuple[str, str]:
    asked = with_cue(question) if form == "program" else question
    return replace_surrogates(asked), replace_surrogates(response)


def _text(row: dict, names: tuple[str, ...], where: str) -> str:
    for name in names:
        if isinstance(row.get(name), str):
            return row[name]
    raise UserError(f"{where}: no {' or '.join(map(repr, names))} with text; add the field")
