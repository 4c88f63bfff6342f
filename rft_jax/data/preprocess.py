"""Training examples of problems and paths, in plain Python."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rft_jax.data.sources import load_problems
from rft_jax.errors import UserError
from rft_jax.files.jsonl import read_rows
from rft_jax.tokenizers import replace_surrogates

_QUESTION = ("query", "question")
_RESPONSE = ("response", "answer")


def training_examples(spec: str) -> Iterator[tuple[str, str]]:
    """(question, response) pairs of a problems file, a paths file or a named set, in order.

    A lone surrogate, which no tokenizer reads, becomes U+FFFD.

    Args:
      spec: the file or the name.

    Raises:
      UserError: there is no such file or set, it is empty, or a row lacks one of the two.
    """
    if not Path(spec).is_file():
        for problem in load_problems(spec):
            yield replace_surrogates(problem.question), replace_surrogates(problem.answer)
        return
    number = 0
    for number, row in read_rows(spec):
        yield _text(row, _QUESTION, f"{spec}:{number}"), _text(row, _RESPONSE, f"{spec}:{number}")
    if not number:
        raise UserError(f"{spec}: holds no example")


def _text(row: dict, names: tuple[str, ...], where: str) -> str:
    for name in names:
        if isinstance(row.get(name), str):
            return replace_surrogates(row[name])
    raise UserError(f"{where}: no {' or '.join(map(repr, names))} with text; add the field")
