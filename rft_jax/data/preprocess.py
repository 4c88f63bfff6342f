"""Training examples of problems and paths, in plain Python."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from rft_jax.arithmetic.reading import asks_for_value
from rft_jax.data.sources import load_problems
from rft_jax.errors import UserError
from rft_jax.files.jsonl import read_rows
from rft_jax.prompts import with_cue
from rft_jax.records import is_only_answer
from rft_jax.records.fields import ANSWER, QUESTION, form_field
from rft_jax.tokenizers import replace_surrogates

logger = logging.getLogger(__name__)


def training_examples(spec: str, form: str | None = None) -> Iterator[tuple[str, str]]:
    """(question, response) pairs of a problems file, a paths file or a named set, in order.

    A problem that has only an answer, no solution, is left out, unless it asks for an expression's
    value; a warning counts them. The responses of paths are never left out.

    Behind the question of a program stands the cue, as the prompts that ask for programs have it. A
    lone surrogate, which no tokenizer reads, becomes U+FFFD.

    Args:
      spec: the file or the name.
      form: of the responses; None for all.

    Raises:
      UserError: there is no such file or set, it is empty, or a row lacks one of the two.
    """
    total = unsolved = 0
    for question, response, found, is_path in _rows(spec):
        total += 1
        is_bare = found == "text" and is_only_answer(response) and not asks_for_value(question)
        if not is_path and is_bare:
            unsolved += 1
        elif form in (None, found):
            yield _example(question, response, found)
    if not total:
        raise UserError(f"{spec}: holds no example")
    if unsolved == total:
        raise UserError(
            f"{spec}: all {total:,} problems have only an answer, no solution, so there is "
            "nothing to train on; train on paths that rft collect kept, or add solutions"
        )
    if unsolved:
        logger.warning(
            "%s: %s of %s problems have only an answer, no solution, and are left out",
            *(spec, f"{unsolved:,}", f"{total:,}"),
        )


def _rows(spec: str) -> Iterator[tuple[str, str, str, bool]]:
    """Question, response and form of each row, and whether the response is a path."""
    if not Path(spec).is_file():
        for problem in load_problems(spec):
            yield problem.question, problem.answer, problem.form, False
        return
    for number, row in read_rows(spec):
        where = f"{spec}:{number}"
        question, response = _text(row, QUESTION, where), _text(row, ANSWER, where)
        yield question, response, form_field(row, where), "answer" not in row


def _example(question: str, response: str, form: str) -> tuple[str, str]:
    asked = with_cue(question) if form == "program" else question
    return replace_surrogates(asked), replace_surrogates(response)


def _text(row: dict, names: tuple[str, ...], where: str) -> str:
    for name in names:
        if isinstance(row.get(name), str):
            return row[name]
    raise UserError(f"{where}: no {' or '.join(map(repr, names))} with text; add the field")
