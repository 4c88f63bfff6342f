"""`--columns`: copies of files whose columns have our names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from rft_jax.errors import MistakeList, UserError
from rft_jax.files.jsonl import read_rows
from rft_jax.records.columns import value_at
from rft_jax.records.samples import sample_files

OURS = (
    "id", "question", "answer", "solution", "expected_answer", "messages", "response", "model",
    "sample", "finish_reason", "form",
)  # fmt: skip
_LINES = ".jsonl"


def parse_columns(text: str) -> dict[str, str]:
    """The mapping of `--columns`: our name -> the file's, from `question=prompt,answer=target`.

    Raises:
      UserError: it is written otherwise, or one of our names does not exist or occurs twice.
    """
    columns: dict[str, str] = {}
    for pair in filter(None, text.split(",")):
        ours, _, theirs = map(str.strip, pair.partition("="))
        if not theirs or ours not in OURS:
            raise UserError(
                f"--columns {text}: NAME=COLUMN,… is needed, NAME one of {', '.join(OURS)}"
            )
        if ours in columns:
            raise UserError(
                f"--columns {text}: {ours} is {columns[ours]!r} and {theirs!r}; name one of them"
            )
        columns[ours] = theirs
    return columns


def _folder_name(path: Path) -> str:
    """The name of the folder with the rows, which may be that of a model."""
    path = path.resolve()
    return path.name if path.is_dir() else path.parent.name


def _unused(path: Path) -> Path:
    """The path with a suffix of plain lines, which no file has yet; sorted as the path is."""
    while path.suffix != _LINES or path.exists():
        path = path.with_name(path.name + _LINES)
    return path


class Renaming:
    """Copies files under our columns' names; a row keeps its number.

    Args:
      columns: our name -> the files' name.
      folder: an empty folder for the copies.
    """

    def __init__(self, columns: Mapping[str, str], folder: Path) -> None:
        self._columns, self._folder = columns, folder
        self._unseen = set(columns)
        self._names: dict[str, None] = {}
        self._absent: list[Path] = []
        self._number = 0

    def copy(self, path: Path) -> Path:
        """A copy of a file, or of the samples files of a folder; any other path as it is.

        Raises:
          UserError: lines of a file are not rows; all of them are named.
        """
        self._number += 1
        folder = self._folder / str(self._number) / _folder_name(path)
        if path.is_dir():
            for file in sample_files(path):
                self._copy(file, _unused(folder / file.name))
            return folder
        if path.is_file():  # without what follows a dot, as the model's name is
            return self._copy(path, folder / f"{path.name.split('.')[0]}{_LINES}")
        self._absent.append(path)
        return path

    def check(self) -> None:
        """Refuses a column that no file has.

        Raises:
          UserError: names the column and those that there are, and what is not a file.
        """
        names = ", ".join(self._names)
        found = [f"there are {names:.200}"] if names else []
        found += [f"{path} is not a file" for path in self._absent]
        for ours in sorted(self._unseen):
            raise UserError(
                f"--columns {ours}={self._columns[ours]}: no row has a column "
                f"{self._columns[ours]!r}; {', and '.join(found)}"
            )

    def _copy(self, file: Path, copy: Path) -> Path:
        copy.parent.mkdir(parents=True, exist_ok=True)
        last, mistakes = 0, MistakeList()
        with open(copy, "x", encoding="ascii") as output:
            for number, row in read_rows(file, mistakes):
                values = {ours: value_at(row, theirs) for ours, theirs in self._columns.items()}
                found = {ours: value for ours, value in values.items() if value is not None}
                self._unseen.difference_update(found)
                self._names.update(dict.fromkeys(row))
                output.write("\n" * (number - last - 1))
                output.write(json.dumps({**row, **found}, default=str) + "\n")
                last = number
        mistakes.raise_any(str(file))
        return copy
