"""Columns of problems and samples by the names that data sets give them: one table for all readers.

A name is looked up as it is, then without regard to case; `a.b` is a column of that name, else the
field `b` of the field `a`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rft_jax.errors import UserError

ID = ("id", "unique_id", "problem_id")
QUESTION = ("question", "query", "problem", "instruction", "prompt")
ANSWER = ("answer",)
"""A reference solution, or a final answer alone."""
SOLUTION = ("solution", "generated_solution")
RESPONSE = ("response", "output", "completion")
"""A solution, in problems that have no other column for it."""
FINAL = ("expected_answer", "final_answer", "ground_truth", "reward_model.ground_truth")
GENERATION = (
    "response", "responses", "generation", "generations", "output", "outputs", "completion",
    "completions", "text",
)  # fmt: skip
"""What was sampled: a text, or a list of texts."""
MESSAGES = ("messages", "conversations")

_QUESTION_ROLES, _ANSWER_ROLES = ("user", "human"), ("assistant", "gpt")


class Cell(NamedTuple):
    """A value and the name of its column."""

    name: str
    value: Any


def find(row: Mapping[str, Any], names: Sequence[str]) -> Cell | None:
    """The first of the columns that the row has a value for; null and NaN are none."""
    for name in names:
        value = value_at(row, name)
        if not _is_empty(value):
            return Cell(name, value)
    return None


def _is_empty(value: Any) -> bool:
    """Whether a cell has no value: null, or the NaN that tables have there."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def value_at(row: Any, name: str) -> Any:
    """The value of a column; None if the row has none."""
    if not isinstance(row, Mapping):
        return None
    found = row.get(name)
    if found is None:
        folded = name.lower()
        found = next((value for key, value in row.items() if key.lower() == folded), None)
    if found is None and "." in name:
        first, _, rest = name.partition(".")
        found = value_at(value_at(row, first), rest)
    return found


def text(cell: Cell, where: str, numbers: bool = False) -> str:
    """A cell's text.

    Args:
      where: file and line, for messages.
      numbers: whether a finite number is one too.

    Raises:
      UserError: it is of another type.
    """
    if isinstance(cell.value, str):
        return cell.value
    if numbers and type(cell.value) in (int, float) and cell.value not in (math.inf, -math.inf):
        return str(cell.value)
    needed = "a string or a finite number" if numbers else "a string"
    raise UserError(f"{where}: {cell.name} is {cell.value!r:.60}; {needed} is needed")


def missing(row: Mapping[str, Any], what: str, ours: str, where: str) -> UserError:
    """The mistake of a row without any of a table's columns.

    Args:
      what: the row lacks.
      ours: the name of the column here.
    """
    named = (f"{name!r} (null)" if _is_empty(value) else repr(name) for name, value in row.items())
    columns = ", ".join(named) or "of an empty row"
    return UserError(
        f"{where}: no {what} in the columns {columns:.200}; rename the one that has it to "
        f"{ours!r}, or say which it is: --columns {ours}=NAME"
    )


class Conversation(NamedTuple):
    """The last question of a conversation and what came after it.

    Attributes:
      questions: how many there are.
      answer: None where the question is not answered.
    """

    questions: int
    question: str
    answer: str | None


def conversation(cell: Cell, where: str) -> Conversation:
    """A list of messages, each with `role` and `content` (or `from` and `value`).

    Raises:
      UserError: it is not such a list, or has no question.
    """
    questions, answer = [], None
    for message in cell.value if isinstance(cell.value, list) else ():
        role, content = _message(message)
        if content is None:
            raise UserError(
                f"{where}: {cell.name} has {message!r:.60}; a message has 'role' and 'content'"
            )
        if role in _QUESTION_ROLES:
            questions.append(content)
            answer = None
        elif role in _ANSWER_ROLES:
            answer = content
    if not questions:
        raise UserError(f"{where}: {cell.name} has no message with the role 'user'")
    return Conversation(len(questions), questions[-1], answer)


def _message(message: Any) -> tuple[str, str | None]:
    if not isinstance(message, Mapping):
        return "", None
    role = message.get("role", message.get("from"))
    content = message.get("content", message.get("value"))
    if isinstance(content, list):  # of parts
        texts = [part.get("text") or "" for part in content if isinstance(part, Mapping)]
        content = "".join(texts) if all(isinstance(one, str) for one in texts) else None
    return str(role), content if isinstance(content, str) else None


def identity(row: Mapping[str, Any], where: str) -> str | None:
    """The id of a row's problem as text; None for a row without one.

    Raises:
      UserError: it is neither a text nor an integer, or is empty.
    """
    cell = find(row, ID)
    if cell is None:
        return None
    if not isinstance(cell.value, str | int) or isinstance(cell.value, bool) or cell.value == "":
        raise UserError(
            f"{where}: {cell.name} is {cell.value!r:.60}; a non-empty string or an integer is "
            "needed"
        )
    return str(cell.value)
