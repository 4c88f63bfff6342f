"""What a run writes meanwhile: immutable segments, merged into one sorted file at the end.

A segment holds finished requests: the next samples of some problems, a line each. Segments are
never changed; samples that were in none when the process died are sampled again, and are the same.
"""

from __future__ import annotations

import shutil
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rft_jax.files.jsonl import read_rows, write_rows

SECONDS_PER_SEGMENT = 10.0

_FOLDER = "segments"
_OLD_FOLDER = "parts"  # of versions up to 0.1.0, a folder a round in each of its folders

Row = dict[str, Any]


class Segments:
    """The segments of one process's share.

    Args:
      output: the run's folder.
      share: name of the process's share.
    """

    def __init__(self, output: Path, share: str) -> None:
        self._folder = output / _FOLDER / share
        self._rows: list[Row] = []
        self._written = time.monotonic()
        self._counts: dict[str, int] = defaultdict(int)
        self._paths: dict[str, list[Path]] = defaultdict(list)
        own = sorted(self._folder.glob("segment-*.jsonl"))
        for path in [*sorted((output / _OLD_FOLDER / share).glob("*/part-*.jsonl")), *own]:
            self._note(path, (row for _, row in read_rows(path)))
        self._next = 1 + int(own[-1].stem.removeprefix("segment-")) if own else 0

    def _note(self, path: Path, rows: Iterable[Row]) -> None:
        for row in rows:
            name = row["id"]
            self._counts[name] += row["sample"] == self._counts[name]
            if path not in self._paths[name][-1:]:
                self._paths[name].append(path)

    def count(self, identity: str) -> int:
        """How many samples of a problem are in segments, those after a missing one not counted."""
        return self._counts.get(identity, 0)

    def add(self, rows: Iterable[Row]) -> None:
        """Takes the samples of one finished request; they are safe after the next `flush`."""
        self._rows += list(rows)  # all of them or none, whatever interrupts
        if time.monotonic() - self._written >= SECONDS_PER_SEGMENT:
            self.flush()

    def flush(self) -> None:
        """Writes the samples taken as a new segment."""
        if self._rows:
            path = self._folder / f"segment-{self._next:06d}.jsonl"
            write_rows(path, self._rows)
            self._note(path, self._rows)
            self._next += 1
            self._rows = []
        self._written = time.monotonic()

    def in_order(self, ids: Sequence[str]) -> Iterator[list[Row]]:
        """Each problem's rows by sample; none for one that is in no segment.

        Holds no more than the segments of which some problem is still to come.
        """
        last_use = {path: name for name in ids for path in self._paths.get(name, ())}
        loaded: dict[Path, dict[str, list[Row]]] = {}
        for name in ids:
            rows: dict[int, Row] = {}
            for path in self._paths.get(name, ()):
                if path not in loaded:
                    loaded[path] = _by_problem(path)
                rows |= {row["sample"]: row for row in loaded[path].pop(name)}
                if last_use[path] == name:
                    del loaded[path]
            yield [rows[sample] for sample in sorted(rows)]

    def merge(self, path: Path, counts: Mapping[str, int]) -> None:
        """Writes one file: the problems in the order given, each with its first so many samples.

        Args:
          counts: problem id -> samples to keep.
        """
        pairs = zip(self.in_order(list(counts)), counts.values(), strict=True)
        write_rows(path, (row for rows, count in pairs for row in rows[:count]))


def _by_problem(path: Path) -> dict[str, list[Row]]:
    rows: dict[str, list[Row]] = defaultdict(list)
    for _, row in read_rows(path):
        rows[row["id"]].append(row)
    return rows


def remove_segments(output: Path) -> None:
    """Removes all segments of a run, once the sorted files hold their samples."""
    for folder in (_FOLDER, _OLD_FOLDER):
        shutil.rmtree(output / folder, ignore_errors=True)
