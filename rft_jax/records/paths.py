"""Training paths, which `rft collect` writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from json.encoder import encode_basestring as quoted
from pathlib import Path as FilePath

from rft_jax.files.jsonl import read_rows
from rft_jax.records.fields import TEXT, form_field, text_field, texts_field

PATHS_FILE = "paths.jsonl"
TEST_PATHS = "test paths"
"""The label of a collection of correct paths for test problems, which nobody trains on."""


@dataclass(frozen=True, slots=True)
class Path:
    """One training path of a problem.

    Attributes:
      origin: `human` for the reference solution, `sampled` for any other.
      models: all that sampled a path with this one's key.
      equations: of the response, in order.
      form: of the response: `text` or `program`.
    """

    id: str
    query: str
    response: str
    origin: str
    models: tuple[str, ...]
    equations: tuple[str, ...]
    form: str = "text"


def path_line(
    id: str,  # noqa: A002  the field's name
    query: str,
    response: str,
    origin: str,
    models: Iterable[str],
    equations: Iterable[str],
    form: str = "text",
) -> str:
    """A line of `paths.jsonl`, by the fields of Path."""
    return (
        f'{{"id": {quoted(id)}, "query": {quoted(query)}, "response": {quoted(response)}, '
        f'"origin": "{origin}", "models": [{", ".join(map(quoted, models))}], '
        f'"equations": [{", ".join(map(quoted, equations))}]{_form_field(form)}}}\n'
    )


def _form_field(form: str) -> str:
    return "" if form == TEXT else f', "form": "{form}"'


def read_paths(path: str | FilePath) -> Iterator[tuple[int, Path]]:
    """Yields (line number, path) of a paths file.

    Raises:
      UserError: a row lacks a field, has one of another type or an unknown form; names file and
        line.
    """
    for number, row in read_rows(path):
        where = f"{path}:{number}"
        yield (
            number,
            Path(
                id=text_field(row, ("id",), where),
                query=text_field(row, ("query",), where),
                response=text_field(row, ("response",), where),
                origin=text_field({"origin": "human", **row}, ("origin",), where),
                models=texts_field(row, "models", where),
                equations=texts_field(row, "equations", where),
                form=form_field(row, where),
            ),
        )
