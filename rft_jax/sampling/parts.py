"""What a run leaves while it is under way: immutable parts, merged into one sorted file at the end.

A part holds whole problems: all samples of each, one line each. Parts are never changed; what was
not in a part when the process died is drawn again, and comes out the same.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from rft_jax.files.jsonl import read_rows, write_rows

SECONDS_PER_PART = 10.0

Row = dict[str, Any]


class Parts:
    """The parts in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._rows: list[Row] = []
        self._written = time.monotonic()
        self._where: dict[str, Path] = {}
        for path in sorted(folder.glob("part-*.jsonl")):
            self._where |= {row["id"]: path for _, row in read_rows(path)}
        self._next = 1 + max((int(path.stem[5:]) for path in self._where.values()), default=-1)

    @property
    def done(self) -> set[str]:
        """Ids of the problems in the parts."""
        return set(self._where)

    def add(self, rows: Iterable[Row]) -> None:
        """Takes all samples of one problem; they are safe after the next `flush`."""
        self._rows += list(rows)  # all of them or none, whatever interrupts
        if time.monotonic() - self._written >= SECONDS_PER_PART:
            self.flush()

    def flush(self) -> None:
        """Writes what was taken as a new part."""
        if self._rows:
            path = self._folder / f"part-{self._next:06d}.jsonl"
            write_rows(path, self._rows)
            self._where |= {row["id"]: path for row in self._rows}
            self._next += 1
            self._rows = []
        self._written = time.monotonic()

    def in_order(self, ids: Sequence[str]) -> Iterator[list[Row]]:
        """Each problem's rows by sample; none for one that is in no part.

        Holds no more than the parts in which some problem is still to come.
        """
        last_use = {self._where[name]: name for name in ids if name in self._where}
        loaded: dict[Path, dict[str, list[Row]]] = {}
        for name in ids:
            part = self._where.get(name)
            if part is None:
                yield []
                continue
            if part not in loaded:
                loaded[part] = _by_problem(part)
            yield loaded[part].pop(name)
            if last_use[part] == name:
                del loaded[part]


def _by_problem(part: Path) -> dict[str, list[Row]]:
    rows = (row for _, row in read_rows(part))
    return {
        name: sorted(samples, key=lambda row: row["sample"])
        for name, samples in groupby(rows, key=lambda row: row["id"])
    }


def merge(folders: Sequence[Parts], path: Path, ids: Sequence[str]) -> None:
    """Writes one file: the problems in the order given, each with its rows of all the folders."""
    in_order = (parts.in_order(ids) for parts in folders)
    write_rows(
        path, (row for found in zip(*in_order, strict=True) for rows in found for row in rows)
    )
