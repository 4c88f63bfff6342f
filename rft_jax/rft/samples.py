"""Sample files: finding them, and one merging pass over them, problem by problem.

The lines of a file are handed on as they are; whoever judges them parses them, so that this pass
costs next to nothing. Our own shards are sorted by the problem's place in the input. A foreign file
that is not is cut into sorted runs on disk first.
"""

from __future__ import annotations

import gzip
import heapq
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import IO

from rft_jax.errors import UserError
from rft_jax.files.jsonl import GZIP_ERRORS, explain_gzip, without_mark
from rft_jax.files.outputs import COMPLETE, SETTINGS

RUN_BYTES = 64 << 20  # of one sorted run, the memory that sorting takes


@dataclass(frozen=True, slots=True)
class Shard:
    """One samples file, or a sorted run of one.

    Attributes:
      path: where to read.
      folder: index of its sample folder among those given.
      origin: the file that messages name; a run's lines begin with their number in it.
    """

    path: str
    folder: int
    origin: str = ""

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.origin or self.path


@dataclass(slots=True)
class Block:
    """Consecutive lines about one problem, with their line numbers."""

    shard: Shard
    numbers: list[int] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)


class UnsortedError(Exception):
    """A shard is not sorted by the problems' places."""


def find_shards(folders: Sequence[str]) -> list[Shard]:
    """The samples files of each folder; a file may be named too.

    Raises:
      UserError: a folder is missing, named twice, not finished, or holds no samples.
    """
    shards: list[Shard] = []
    seen: dict[Path, str] = {}
    for index, folder in enumerate(folders):
        path = Path(folder)
        if path.resolve() in seen:
            raise UserError(f"{folder}: named twice (as {seen[path.resolve()]}); name it once")
        seen[path.resolve()] = folder
        shards += [Shard(str(file), index) for file in _files(path)]
    return shards


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UserError(f"{path}: no such folder; name what rft sample wrote, or a samples file")
    if (path / SETTINGS).exists() and not (path / COMPLETE).exists():
        raise UserError(f"{path}: sampling is not finished; run the same rft sample again")
    files = sorted([*path.glob("samples*.jsonl"), *path.glob("samples*.jsonl.gz")])
    if not files:
        raise UserError(f"{path}: no samples-*.jsonl there; name what rft sample wrote")
    return files


def sorted_runs(
    shards: Sequence[Shard], places: Mapping[str, int], folder: Path, run_bytes: int = RUN_BYTES
) -> list[Shard]:
    """The same samples in shards that are sorted: unsorted ones become runs in `folder`.

    Raises:
      UserError: as `merge_by_problem`.
    """
    result: list[Shard] = []
    names = count()
    for shard in shards:
        if _is_sorted(shard, places):
            result.append(shard)
            continue
        for run in _runs(shard, places, run_bytes):
            path = folder / f"run-{next(names):05d}"
            path.write_bytes(b"".join(run))
            result.append(Shard(str(path), shard.folder, shard.path))
    return result


def _is_sorted(shard: Shard, places: Mapping[str, int]) -> bool:
    try:
        for _ in _blocks(shard, places):
            pass
    except UnsortedError:
        return False
    return True


def _runs(shard: Shard, places: Mapping[str, int], run_bytes: int) -> Iterator[list[bytes]]:
    """Lines with their numbers in front, sorted by place (stable), `run_bytes` at a time."""
    rows: list[tuple[int, bytes]] = []
    size = 0
    for number, line in _numbered_lines(shard):
        if not line.strip():
            continue
        place = _place(line, places, shard, number)
        rows.append((place, b"%d\t%s\n" % (number, line.rstrip(b"\r\n"))))
        size += len(line)
        if size >= run_bytes:
            yield [row for _, row in sorted(rows, key=lambda row: row[0])]
            rows, size = [], 0
    yield [row for _, row in sorted(rows, key=lambda row: row[0])]


def merge_by_problem(
    shards: Sequence[Shard], places: Mapping[str, int]
) -> Iterator[tuple[int, list[Block]]]:
    """Yields (place, blocks) for each problem that has samples, in the problems' order.

    Args:
      places: problem id -> place in the input.

    Raises:
      UnsortedError: a shard is not sorted.
      UserError: a line has no id or one that no problem has, or a file is cut short.
    """
    readers = [_blocks(shard, places) for shard in shards]
    heads = [
        (head[0], index, head[1]) for index, r in enumerate(readers) if (head := next(r, None))
    ]
    heapq.heapify(heads)
    while heads:
        place = heads[0][0]
        blocks: list[Block] = []
        while heads and heads[0][0] == place:
            _, index, block = heads[0]
            blocks.append(block)
            following = next(readers[index], None)
            if following is None:
                heapq.heappop(heads)
            else:
                heapq.heapreplace(heads, (following[0], index, following[1]))
        yield place, blocks


_NO_LINE = b"\xff"  # which begins no line of UTF-8


def _blocks(shard: Shard, places: Mapping[str, int]) -> Iterator[tuple[int, Block]]:
    """Consecutive lines with one id, as long as the places ascend."""
    last = -1
    block = Block(shard)
    prefix = _NO_LINE
    for number, line in _numbered_lines(shard):
        if not line.startswith(prefix):
            if not line.strip():
                continue
            place = _place(line, places, shard, number)
            prefix = _id_prefix(line) or _NO_LINE
            if place < last:
                raise UnsortedError(shard.name)
            if place > last:
                if block.lines:
                    yield last, block
                block, last = Block(shard), place
        block.numbers.append(number)
        block.lines.append(line)
    if block.lines:
        yield last, block


def _numbered_lines(shard: Shard) -> Iterator[tuple[int, bytes]]:
    number = 0
    try:
        with _open(shard.path) as file:
            if shard.origin:
                for line in file:
                    digits, _, rest = line.partition(b"\t")
                    yield int(digits), rest
            else:
                for number, line in enumerate(without_mark(file), start=1):
                    yield number, line
    except GZIP_ERRORS as error:
        raise UserError(explain_gzip(f"{shard.name}:{number + 1}", error)) from error


def _open(path: str) -> IO[bytes]:
    if path.endswith(".gz"):
        return gzip.open(path, "rb")  # type: ignore[return-value]
    return open(path, "rb", buffering=1 << 20)


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
      UserError: it is no JSON object or has no id.
    """
    prefix = _id_prefix(line)
    try:
        if prefix is not None:
            return prefix[len(_START) : -1].decode()
        row = json.loads(line.decode())
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}: not JSON ({error}); mend or remove the line") from error
    if not isinstance(row, dict):
        raise UserError(f"{where}: a JSON object is needed, found {type(row).__name__}")
    if "id" not in row:
        raise UserError(f"{where}: no 'id'; add the id of the problem")
    if not isinstance(row["id"], str):
        raise UserError(f"{where}: id is {row['id']!r:.60}; a string is needed")
    return row["id"]


def explain_unknown(identity: str, where: str) -> str:
    """What to say of a sample for a problem that there is not."""
    return (
        f"{where}: no problem has the id {identity!r:.80}; name the problems that were sampled, "
        "or remove the line"
    )


def _place(line: bytes, places: Mapping[str, int], shard: Shard, number: int) -> int:
    identity = problem_id(line, f"{shard.name}:{number}")
    place = places.get(identity)
    if place is None:
        raise UserError(explain_unknown(identity, f"{shard.name}:{number}"))
    return place
