"""Samples files: finding them, and one merging pass over them, problem by problem.

This pass does not parse the lines; the workers that grade them do. The shards of `rft sample` are
sorted by the problem's index in the input. A foreign file that is not sorted is first split into
sorted runs on disk.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count, groupby
from operator import itemgetter
from pathlib import Path
from typing import IO

from rft_jax.errors import UserError
from rft_jax.files.jsonl import numbered_lines, open_lines, parse_row
from rft_jax.records import Sample, check_named_once, check_shards, parse_sample, sample_files
from rft_jax.records.matching import explain_unmatched

RUN_BYTES = 64 << 20  # of one sorted run, the memory that sorting takes
_index_of = itemgetter(0)


@dataclass(frozen=True, slots=True)
class Shard:
    """One samples file, or a sorted run of one.

    Attributes:
      path: of the file.
      folder: index of its folder among those given.
      origin: of a sorted run, the samples file it was made from, which messages name; each line of
        the run begins with its line number there.
    """

    path: str
    folder: int
    origin: str = ""

    @property
    def name(self) -> str:
        """The file that messages name."""
        return self.origin or self.path


@dataclass(slots=True)
class Block:
    """Consecutive lines about one problem, with their line numbers."""

    shard: Shard
    numbers: list[int] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)


class UnsortedError(Exception):
    """A shard is not sorted by the problems' indices."""


def find_shards(folders: Sequence[str]) -> list[Shard]:
    """The samples files of each folder; a file may be named too.

    Raises:
      UserError: a folder is missing, named twice, not finished, holds no samples, or lacks shards.
    """
    check_named_once(folders)
    shards = []
    for index, folder in enumerate(folders):
        files = sample_files(folder)
        if Path(folder).is_dir():
            check_shards(folder, [file.name for file in files])
        shards += [Shard(str(file), index) for file in files]
    return shards


def sorted_runs(
    shards: Sequence[Shard], indices: Mapping[str, int], folder: Path, run_bytes: int = RUN_BYTES
) -> list[Shard]:
    """The same samples in sorted shards: each unsorted one becomes sorted runs in `folder`.

    Args:
      indices: problem id -> index in the input.
      run_bytes: size of a run.

    Raises:
      UserError: as `merge_by_problem`.
    """
    result: list[Shard] = []
    names = count()
    for shard in shards:
        if _is_sorted(shard, indices):
            result.append(shard)
            continue
        for run in _runs(shard, indices, run_bytes):
            path = folder / f"run-{next(names):05d}"
            path.write_bytes(b"".join(run))
            result.append(Shard(str(path), shard.folder, shard.name))
    return result


def _is_sorted(shard: Shard, indices: Mapping[str, int]) -> bool:
    try:
        for _ in _blocks(shard, indices):
            pass
    except UnsortedError:
        return False
    return True


def _runs(shard: Shard, indices: Mapping[str, int], run_bytes: int) -> Iterator[list[bytes]]:
    """Lines with their numbers in front, sorted by index (stable), `run_bytes` at a time."""
    rows: list[tuple[int, bytes]] = []
    size = 0
    for number, line in _numbered_lines(shard):
        if not line.strip():
            continue
        index = problem_index(line, indices, f"{shard.name}:{number}")
        rows.append((index, numbered_line(number, line)))
        size += len(line)
        if size >= run_bytes:
            yield [row for _, row in sorted(rows, key=_index_of)]
            rows, size = [], 0
    yield [row for _, row in sorted(rows, key=_index_of)]


def merge_by_problem(
    shards: Sequence[Shard], indices: Mapping[str, int]
) -> Iterator[tuple[int, list[Block]]]:
    """Yields (index, blocks) for every problem, in the problems' order.

    Args:
      indices: problem id -> index in the input.

    Raises:
      UnsortedError: a shard is not sorted.
      UserError: a line has no id or one that no problem has, or a file is cut short.
    """
    every = ((index, None) for index in range(len(indices)))
    pairs = heapq.merge(every, *(_blocks(shard, indices) for shard in shards), key=_index_of)
    for index, group in groupby(pairs, key=_index_of):
        yield index, [block for _, block in group if block is not None]


_NO_LINE = b"\xff"  # which begins no line of UTF-8


def _blocks(shard: Shard, indices: Mapping[str, int]) -> Iterator[tuple[int, Block]]:
    """Consecutive lines with one id, as long as the indices ascend."""
    last = -1
    block = Block(shard)
    prefix = _NO_LINE
    for number, line in _numbered_lines(shard):
        if not line.startswith(prefix):
            if not line.strip():
                continue
            index = problem_index(line, indices, f"{shard.name}:{number}")
            prefix = _id_prefix(line) or _NO_LINE
            if index < last:
                raise UnsortedError(shard.name)
            if index > last:
                if block.lines:
                    yield last, block
                block, last = Block(shard), index
        block.numbers.append(number)
        block.lines.append(line)
    if block.lines:
        yield last, block


def _numbered_lines(shard: Shard) -> Iterator[tuple[int, bytes]]:
    with open_lines(shard.path) as file:
        yield from shard_lines(file, shard)


def shard_lines(file: IO[bytes], shard: Shard) -> Iterator[tuple[int, bytes]]:
    """Yields (line number, line) of a shard that is open, with the numbers of its origin."""
    if not shard.origin:
        yield from numbered_lines(file, shard.path)
        return
    for line in file:
        digits, _, rest = line.partition(b"\t")
        yield int(digits), rest


def numbered_line(number: int, line: bytes) -> bytes:
    """A line of a shard with an `origin`, as `shard_lines` reads it.

    Args:
      number: of the line in the origin.
    """
    return b"%d\t%s\n" % (number, line.rstrip(b"\r\n"))


def parse_line(line: bytes, where: str) -> Sample:
    """The sample in a line, without its tokens, which collecting does not use.

    Raises:
      UserError: the line is not a sample.
    """
    return parse_sample({**parse_row(line, where), "tokens": None}, where)


_START = b'{"id": "'


def _id_prefix(line: bytes) -> bytes | None:
    """The line up to the end of its id, where it begins as our own files do."""
    if not line.startswith(_START):
        return None
    end = line.find(b'"', len(_START)) + 1
    prefix = line[:end]
    return prefix if end and b"\\" not in prefix else None


def problem_id(line: bytes, where: str) -> str:
    """The id of the problem that a line is about.

    Raises:
      UserError: it is not a JSON object or has no id.
    """
    prefix = _id_prefix(line)
    if prefix is not None:
        with suppress(UnicodeDecodeError):  # the whole line fails then, and is named
            return prefix[len(_START) : -1].decode()
    row = parse_row(line, where)
    if "id" not in row:
        raise UserError(f"{where}: no 'id'; add the id of the problem")
    if not isinstance(row["id"], str):
        raise UserError(f"{where}: id is {row['id']!r:.60}; a string is needed")
    return row["id"]


def problem_index(line: bytes, indices: Mapping[str, int], where: str) -> int:
    """The index of the problem that a line is about.

    Raises:
      UserError: it is not a JSON object, or no problem has its id.
    """
    identity = problem_id(line, where)
    index = indices.get(identity)
    if index is None:
        raise UserError(explain_unmatched(identity, None, where))
    return index
