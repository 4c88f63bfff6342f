"""Fields of a row, checked; and records as rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rft_jax.errors import UserError

if TYPE_CHECKING:
    from rft_jax.records import Path, Problem, Sample

TEXT, PROGRAM = "text", "program"
FORMS = (TEXT, PROGRAM)
"""How a response or a reference solution is written; a row that does not say is a text."""

_SOURCE_FORMS = {"CoT": TEXT, "PoT": PROGRAM}

_OPTIONAL = ("tokens", "logprob")


def to_row(record: Problem | Sample | Path) -> dict[str, Any]:
    """The record's JSONL row, without a sample's missing tokens or logprob and a text's form."""
    row = asdict(record)
    if row["form"] == TEXT:
        del row["form"]
    return {name: v for name, v in row.items() if not (name in _OPTIONAL and v is None)}


def text_field(row: Mapping[str, Any], names: tuple[str, ...], where: str) -> str:
    """The value of the first of the names that the row has.

    Raises:
      UserError: it has none of them, or the value is not a string.
    """
    for name in names:
        if name in row:
            if not isinstance(row[name], str):
                raise UserError(f"{where}: {name} is {row[name]!r:.60}; a string is needed")
            return row[name]
    raise UserError(f"{where}: no {' or '.join(repr(name) for name in names)}; add the field")


def texts_field(row: Mapping[str, Any], name: str, where: str) -> tuple[str, ...]:
    """The strings of a list; none where the row has no such field, or null.

    Raises:
      UserError: the value is not a list of strings.
    """
    value = row.get(name)
    values = [] if value is None else value
    if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
        raise UserError(f"{where}: {name} is {value!r:.60}; a list of strings is needed")
    return tuple(values)


def integer_field(row: Mapping[str, Any], name: str, where: str) -> int:
    """The value of a field.

    Raises:
      UserError: it is missing or not an integer.
    """
    value = row.get(name)
    if type(value) is not int:
        raise UserError(f"{where}: {name} is {value!r:.60}; an integer is needed")
    return value


def index_field(row: Mapping[str, Any], name: str, where: str) -> int:
    """The value of a field that counts from 0.

    Raises:
      UserError: it is missing, not an integer or negative.
    """
    value = integer_field(row, name, where)
    if value < 0:
        raise UserError(f"{where}: {name} is {value}; a number from 0 on is needed")
    return value


def form_field(row: Mapping[str, Any], where: str) -> str:
    """The row's form, one of `FORMS`.

    Where it is not said, or null, a MathInstruct row has that of its `source`: a path with `CoT` or
    `PoT`.

    Raises:
      UserError: it is another value.
    """
    form = row.get("form")
    if form is None:
        form = _form_of_source(row.get("source"))
    if form not in FORMS:
        raise UserError(f"{where}: form is {form!r:.60}; there are {', '.join(FORMS)}")
    return form


def _form_of_source(source: Any) -> str:
    folders = source.split("/") if isinstance(source, str) else ()
    return next((_SOURCE_FORMS[name] for name in folders if name in _SOURCE_FORMS), TEXT)
