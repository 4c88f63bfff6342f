"""Samples files of other programs as samples of the problems at hand."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from rft_jax.errors import MistakeList, UserError
from rft_jax.files.jsonl import numbered_lines, open_lines, parse_row, read_rows
from rft_jax.files.parquet import SUFFIX
from rft_jax.records.fields import form_field
from rft_jax.records.matching import Matcher, explain_unmatched
from rft_jax.records.problems import Problem
from rft_jax.records.sample_formats import OURS, SAMPLE_FORMATS, Generated, Row, format_of
from rft_jax.records.samples import Sample, read_samples, sample_files

logger = logging.getLogger(__name__)
# Files that a program names so are called by their folder, which tells more.
_NAMES_OF_PROGRAMS = ("samples", "output")


def check_format(name: str) -> str:
    """`name`, a format or '' for found by looking.

    Raises:
      UserError: there is no such format.
    """
    if name and name not in (OURS, *SAMPLE_FORMATS):
        formats = ", ".join((OURS, *SAMPLE_FORMATS))
        raise UserError(f"--samples_format {name}: one of {formats} is needed")
    return name


def file_format(path: str | Path, named: str = "") -> str:
    """The format of a samples file: as named, else found by looking at its first row.

    Our own format is lines; its rows in Parquet are read by their columns.
    """
    if named:
        return "columns" if named == OURS and str(path).endswith(SUFFIX) else named
    if str(path).endswith(SUFFIX):
        row = next((row for _, row in read_rows(path)), None)
        found = OURS if row is None else format_of(row)
        return "columns" if found == OURS else found
    with open_lines(path) as file:
        return first_format(file, str(path))


def first_format(file: IO[bytes], name: str) -> str:
    """The format of lines, found by looking at the first one that is not blank.

    Args:
      name: of the file.
    """
    try:
        line = next((line for _, line in numbered_lines(file, name) if line.strip()), None)
        return OURS if line is None else format_of(parse_row(line, name))
    except UserError:  # named with its line by the reader of our own files
        return OURS


class ForeignSamples:
    """Reads the files of other programs; rows of one problem and model are numbered in order.

    Args:
      problems: that the samples are about.
      path: the folder or file that the user named.
      named: their format; '' for found by looking.
      mistakes: notes rows that are not samples.
      skips_others: whether samples of other problems are left out; else they are mistakes.

    Attributes:
      skipped: number of samples that were left out so.
    """

    def __init__(
        self,
        problems: Sequence[Problem],
        path: str | Path,
        named: str,
        mistakes: MistakeList,
        skips_others: bool = False,
    ) -> None:
        self._matcher = Matcher(problems)
        self._path, self._named = Path(path), named
        self._mistakes, self._skips_others = mistakes, skips_others
        self.skipped = 0
        self._counts: Counter[tuple[str, str]] = Counter()

    def read(self, file: str | Path) -> Iterator[tuple[int, Sample]]:
        """Yields (line number, sample) of one of the files."""
        name = file_format(file, self._named)
        view: str | None = None
        total = failed = 0
        for number, row in read_rows(file, self._mistakes):
            samples: list[Sample] = []
            where = f"{file}:{number}"
            with self._mistakes.caught():
                found = _read(row, where, name)
                view = found.view if view is None else view
                if found.view == view:
                    total, failed = total + 1, failed + (not found.texts)
                    samples = self._samples(found, form_field(row, where), where)
            yield from ((number, sample) for sample in samples)
        if failed:
            logger.warning("%s: %s of %s requests failed and have no sample", file, failed, total)

    def _samples(self, found: Generated, form: str, where: str) -> list[Sample]:
        if not found.texts:
            return []
        name = self._matcher.find(found.identity, found.prompt)
        if name is None and self._skips_others:
            self.skipped += len(found.texts)
            return []
        if name is None:
            raise UserError(explain_unmatched(found.identity, found.prompt, where))
        model = found.model or self._model()
        first = self._counts[name, model] if found.sample is None else found.sample
        self._counts[name, model] = first + len(found.texts)
        return [
            Sample(name, first + index, model, 0, text, None, finish, None, form)
            for index, (text, finish) in enumerate(found.texts)
        ]

    def _model(self) -> str:
        path = self._path.resolve()
        if path.is_dir():
            return path.name
        stem = path.name.split(".")[0]
        return path.parent.name if stem.startswith(_NAMES_OF_PROGRAMS) else stem


def _read(row: Row, where: str, name: str) -> Generated:
    """What a row says as a format; the mistake of a row of another format names that one."""
    read = SAMPLE_FORMATS[name]
    try:
        return read(row, where)
    except UserError as error:
        looks = format_of(row)
        if looks == OURS or SAMPLE_FORMATS[looks] is read:
            raise
        raise UserError(f"{error}; the row looks like --samples_format {looks}") from None


def read_any_samples(
    problems: Sequence[Problem],
    path: str | Path,
    named: str = "",
    skips_others: bool = False,
    skipped: Counter[str] | None = None,
) -> Iterator[tuple[str, Sample]]:
    """Yields (file and line, sample) of a folder or file, ours or another program's.

    Args:
      problems: as in `ForeignSamples`; samples of our own are of any problems.
      named, skips_others: as in `ForeignSamples`.
      skipped: at the end, the samples that were left out so are added, under the path.

    Raises:
      UserError: there are none, or rows are not samples; all such rows are named.
    """
    mistakes = MistakeList()
    foreign = ForeignSamples(problems, path, named, mistakes, skips_others)
    for file in sample_files(path):
        if file_format(file, named) == OURS:
            yield from read_samples(file, mistakes)
        else:
            yield from ((f"{file}:{number}", one) for number, one in foreign.read(file))
    mistakes.raise_any(str(path))
    if skipped is not None:
        skipped[str(path)] += foreign.skipped
