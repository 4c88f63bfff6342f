"""Question and reference of a row, whatever its columns are called."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from rft_jax.errors import UserError
from rft_jax.records import columns
from rft_jax.records.fields import TEXT, form_field

_ONLY_BOX = re.compile(r"\$*\\boxed\s*\{[^\n]*\}\$*\.?")
_MOST_WORDS = 3
_CALCULATION = re.compile(r"[-+*/0-9.%()\[\]{},<]+(?:=[-+*/0-9.%()\[\]{},]+)+")
_MARKS = ("####", "\\boxed")


class Reference(NamedTuple):
    """What a row of problems, paths or conversations says.

    Attributes:
      answer: the reference solution, or the final answer alone.
      form: of the answer: `text` or `program`.
      is_solution: whether it is a solution, by its column or by its text.
    """

    question: str
    answer: str
    form: str
    is_solution: bool


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


def read_reference(row: Mapping[str, Any], where: str) -> Reference:
    """The question and the reference of a row.

    A final answer in a column of its own is put behind a solution that has neither `####` nor
    `\\boxed`.

    Raises:
      UserError: the row lacks one of the two, or has one of another type.
    """
    form = form_field(row, where)
    question = read_question(row, where)
    answer = _text(row, columns.ANSWER, where)
    if answer is not None and (form != TEXT or not is_only_answer(answer)):
        return Reference(question, answer, form, True)
    final = _text(row, columns.FINAL, where) or answer
    solution = _text(row, columns.SOLUTION, where) or _reply(row, where)
    if solution is None and final is None:
        solution = _text(row, columns.RESPONSE, where)
    if solution is not None:
        return Reference(question, _with_final(solution, final), form, True)
    if final is None:
        raise columns.missing(row, "solution and no answer", "answer", where)
    alone = final if is_only_answer(final) else f"#### {' '.join(final.split())}"
    return Reference(question, alone, form, False)


def read_question(row: Mapping[str, Any], where: str) -> str:
    """The question of a row, of its column or of the one question of its messages.

    Raises:
      UserError: it has none, or several.
    """
    cell = columns.find(row, (*columns.QUESTION, *columns.MESSAGES))
    if cell is None:
        raise columns.missing(row, "question", "question", where)
    if not isinstance(cell.value, list):
        return columns.text(cell, where)
    found = columns.conversation(cell, where)
    if found.questions > 1:
        raise UserError(
            f"{where}: {cell.name} has {found.questions} questions; split the conversation into "
            "rows of one question and its answer"
        )
    return found.question


def check_filled(read: Reference, where: str) -> None:
    """Refuses a problem with nothing but white space for its question or answer.

    Raises:
      UserError: one of them is empty.
    """
    for name, text in (("question", read.question), ("answer", read.answer)):
        if not text.strip():
            raise UserError(f"{where}: the {name} is empty; write it, or remove the line")


def _reply(row: Mapping[str, Any], where: str) -> str | None:
    cell = columns.find(row, columns.MESSAGES)
    return columns.conversation(cell, where).answer if cell else None


def _text(row: Mapping[str, Any], names: tuple[str, ...], where: str) -> str | None:
    cell = columns.find(row, names)
    return None if cell is None else columns.text(cell, where, numbers=True)


def _with_final(solution: str, final: str | None) -> str:
    if final is None or any(mark in solution for mark in _MARKS):
        return solution
    return f"{solution.rstrip()}\n#### {final.strip()}"
