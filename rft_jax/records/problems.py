"""Problems: a question and its reference solution."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from rft_jax.errors import UserError
from rft_jax.files.jsonl import read_rows
from rft_jax.records.fields import ANSWER, QUESTION, form_field, text_field


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


_ONLY_BOX = re.compile(r"\$*\\boxed\s*\{[^\n]*\}\$*\.?")
_MOST_WORDS = 3
_CALCULATION = re.compile(r"[-+*/0-9.%()\[\]{},<]+(?:=[-+*/0-9.%()\[\]{},]+)+")


def is_only_answer(answer: str) -> bool:
    r"""Whether a reference is a final answer without any solution, which nobody can learn from.

    It is one if nothing stands before `#### n` or beside `\boxed{n}`; without these, if it has at
    most three words. A calculation (`12+12=24`) is a solution.
    """
    solution, mark, _ = answer.strip().partition("####")
    if mark:
        return not solution.strip()
    if "\\boxed" in solution:
        return bool(_ONLY_BOX.fullmatch(solution))
    is_calculation = _CALCULATION.fullmatch(solution.strip())
    return len(solution.split()) <= _MOST_WORDS and not is_calculation


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
    """Problems of a JSONL file with `question`/`answer` or `query`/`response` rows.

    MathInstruct's rows (`instruction`, `output`, `source`) are read too, also from a JSON file.

    A row without an id gets `<prefix>/<digest of its question>`, with `-2`, `-3`, … for a repeated
    question.

    Args:
      prefix: of generated ids; the file's stem by default.

    Raises:
      UserError: a row lacks its question or answer, its form is unknown, or an id occurs twice;
        names file and line.
    """
    prefix = prefix or Path(path).name.split(".")[0]
    problems: list[Problem] = []
    seen: dict[str, int] = {}
    repeats: Counter[str] = Counter()
    for number, row in read_rows(path):
        where = f"{path}:{number}"
        question = text_field(row, QUESTION, where)
        answer = text_field(row, ANSWER, where)
        identity = row.get("id")
        if identity is None:
            identity = distinct_id(prefix, question, repeats)
        if not isinstance(identity, str) or not identity:
            raise UserError(f"{where}: id is {identity!r}; a non-empty string is needed")
        if identity in seen:
            raise UserError(f"{where}: id {identity!r} is already in line {seen[identity]}")
        seen[identity] = number
        problems.append(Problem(identity, question, answer, form_field(row, where)))
    if not problems:
        raise UserError(f"{path}: has no problem")
    return problems
