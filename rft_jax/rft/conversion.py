"""Samples files of other programs, rewritten as our own before they are collected."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import IO

import orjson

from rft_jax.errors import MistakeList
from rft_jax.files.jsonl import numbered_lines, open_lines
from rft_jax.progress import quantity
from rft_jax.records import Problem, to_row
from rft_jax.records.foreign import ForeignSamples, file_format
from rft_jax.records.sample_formats import OURS
from rft_jax.rft.samples import (
    Shard,
    numbered_line,
    parse_line,
    problem_id,
    problem_index,
)

logger = logging.getLogger(__name__)


def in_our_format(
    shards: Sequence[Shard],
    folders: Sequence[str],
    problems: Sequence[Problem],
    output: Path,
    named: str = "",
    skips_others: bool = False,
) -> list[Shard]:
    """The shards, each one of another program replaced by a copy in our format.

    With `skips_others` those in our format are copied too, without the samples of other problems.

    Args:
      folders: what the user named, by the shards' `folder`.
      output: an empty folder for the copies. Each line begins with the number of the line that it
        comes from, as in a sorted run.
      named: the format of all shards; '' for found by looking.
      skips_others: whether samples of other problems are left out, and counted in a warning; else
        they are mistakes.

    Raises:
      UserError: rows are not samples of the problems; all such rows are named.
    """
    mistakes = MistakeList()
    readers = {
        index: ForeignSamples(problems, folder, named, mistakes, skips_others)
        for index, folder in enumerate(folders)
    }
    names = count()
    result: list[Shard] = []
    ids = {problem.id for problem in problems}
    skipped = 0
    for shard in shards:
        is_ours = file_format(shard.path, named) == OURS
        if is_ours and not skips_others:
            result.append(shard)
            continue
        copy = output / f"converted-{next(names):05d}"
        with open(copy, "wb") as file:
            if is_ours:
                skipped += _copy_matched(shard, ids, file, mistakes)
            else:
                for number, sample in readers[shard.folder].read(shard.path):
                    file.write(numbered_line(number, _line(to_row(sample))))
        result.append(Shard(str(copy), shard.folder, shard.path))
    mistakes.raise_any(", ".join(folders))
    skipped += sum(reader.skipped for reader in readers.values())
    if skipped:
        logger.warning("%s samples of other problems than these are left out", f"{skipped:,}")
    return result


def _copy_matched(
    shard: Shard, ids: Collection[str], file: IO[bytes], mistakes: MistakeList
) -> int:
    """Writes the lines of samples of the problems, numbered, and returns how many others are."""
    skipped = 0
    with open_lines(shard.path) as source:
        for number, line in numbered_lines(source, shard.path):
            if not line.strip():
                continue
            where = f"{shard.path}:{number}"
            with mistakes.caught():
                if problem_id(line, where) not in ids:
                    skipped += 1
                    continue
                parse_line(line, where)
                file.write(numbered_line(number, line))
    return skipped


def _line(row: Mapping[str, object]) -> bytes:
    try:
        return orjson.dumps(row)
    except orjson.JSONEncodeError:  # a lone surrogate
        import json

        return json.dumps(row).encode()


def raise_all_mistakes(shards: Sequence[Shard], indices: Mapping[str, int]) -> None:
    """Reads shards in our format again and reports every line that is not a sample.

    Args:
      indices: problem id -> index in the input.

    Raises:
      UserError: there are such lines; the first ones are named.
    """
    mistakes = MistakeList()
    for shard in shards:
        if shard.origin:
            continue
        with mistakes.caught(), open_lines(shard.path) as file:
            for number, line in numbered_lines(file, shard.path):
                where = f"{shard.path}:{number}"
                with mistakes.caught():
                    if line.strip():
                        problem_index(line, indices, where)
                        parse_line(line, where)
    mistakes.raise_any(quantity(len(shards), "samples file"))
