"""From problems and paths to training examples, in plain Python."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from rft_jax.data.sources import load_problems
from rft_jax.errors import UserError
from rft_jax.files.jsonl import read_rows

_SURROGATE = re.compile("[\ud800-\udfff]")
_QUESTION = ("query", "question")
_RESPONSE = ("response", "answer")


def training_examples(spec: str) -> Iterator[tuple[str, str]]:
    """(question, response) pairs of a problems file, a paths file or a named set, in order.

    A lone surrogate, which no tokenizer reads, becomes U+FFFD.

    Raises:
      UserError: there is no such file or set, it is empty, or a row lacks one of the two.
    """
    if not Path(spec).is_file():
        for problem in load_problems(spec):
            yield _clean(problem.question), _clean(problem.answer)
        return
    number = 0
    for number, row in read_rows(spec):
        yield _text(row, _QUESTION, f"{spec}:{number}"), _text(row, _RESPONSE, f"{spec}:{number}")
    if not number:
        raise UserError(f"{spec}: holds no example")


def _text(row: dict, names: tuple[str, ...], where: str) -> str:
    for name in names:
        if isinstance(row.get(name), str):
            return _clean(row[name])
    raise UserError(f"{where}: no {' or '.join(map(repr, names))} with text; add the field")


def _clean(text: str) -> str:
    return _SURROGATE.sub("\ufffd", text)
