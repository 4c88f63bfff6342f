"""Problems: a question and its reference solution."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from rft_jax.errors import MistakeList, UserError
from rft_jax.files.jsonl import read_rows
from rft_jax.records import columns
from rft_jax.records.references import check_filled, read_reference


@dataclass(frozen=True, slots=True)
class Problem:
    """A question and its worked answer (reasoning path, then the final answer as `#### n`).

    Attributes:
      form: of the answer: `text`, or `program`, which prints the final answer.
    """

    id: str
    question: str
    answer: str
    form: str = "text"


def question_digest(question: str) -> str:
    """The first 12 hex digits of the question's SHA-256, a part of generated ids."""
    return hashlib.sha256(question.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def distinct_id(prefix: str, question: str, repeats: Counter[str]) -> str:
    """`<prefix>/<digest>`, with `-2`, `-3`, … for a repeated question.

    Args:
      repeats: how often each id was given; updated.
    """
    base = f"{prefix}/{question_digest(question)}"
    repeats[base] += 1
    return base if repeats[base] == 1 else f"{base}-{repeats[base]}"


def read_problems(path: str | Path, prefix: str | None = None) -> list[Problem]:
    """Problems of a JSONL, JSON or Parquet file, by columns of any of the names in `columns`.

    A row without an id gets `<prefix>/<digest of its question>`, with `-2`, `-3`, … for a repeated
    question.

    Args:
      prefix: of generated ids; the file's stem by default.

    Raises:
      UserError: a row lacks its question or answer, or it is empty, its form is unknown, or an id
        occurs twice; names file and line, of all such rows.
    """
    prefix = prefix or Path(path).name.split(".")[0]
    problems: list[Problem] = []
    seen: dict[str, int] = {}
    repeats: Counter[str] = Counter()
    mistakes = MistakeList()
    for number, row in read_rows(path, mistakes):
        where = f"{path}:{number}"
        with mistakes.caught():
            read = read_reference(row, where)
            check_filled(read, where)
            identity = columns.identity(row, where)
            if identity is None:
                identity = distinct_id(prefix, read.question, repeats)
            if identity in seen:
                raise UserError(
                    f"{where}: id {identity!r} is already in line {seen[identity]}; give each "
                    "problem an id of its own, or remove one of the two"
                )
            seen[identity] = number
            problems.append(Problem(identity, read.question, read.answer, read.form))
    mistakes.raise_any(str(path))
    if not problems:
        raise UserError(f"{path}: has no problem; write a row per problem, or name another file")
    return problems
