"""From a problem's raw lines to its samples, in one order that no file layout changes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise, repeat
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

import orjson

from rft_jax.errors import UserError
from rft_jax.records import parse_sample
from rft_jax.rft.samples import Block, Shard

_place = itemgetter(slice(3))
_FIELDS = tuple(map(itemgetter, ("sample", "model", "response", "finish_reason", "logprob")))
_KINDS = [{int}, {str}, {str}, {str}, {float}]
_TOKENS = b'"tokens": ['
_ENDINGS = frozenset(("stop", "length"))


class Row(NamedTuple):
    """What collecting needs of a sample; the first three fields give the order."""

    folder: int
    sample: int
    model: str
    response: str
    finish_reason: str
    logprob: float | None


def parse_rows(blocks: Sequence[Block]) -> list[Row]:
    """The samples of one problem, by folder and sample index.

    Raises:
      UserError: a line is no sample, or a sample stands there twice; names file and line.
    """
    rows = [row for block in blocks for row in _parse_block(block)]
    if not all(map(_ascends, rows, rows[1:])):
        rows.sort(key=_place)
        for row, after in pairwise(rows):
            if _place(row) == _place(after):
                raise UserError(_explain_twice(blocks, row))
    return rows


def _parse_block(block: Block) -> list[Row]:
    """All lines at once where they are as our own files have them, else one by one."""
    lines = block.lines
    if _TOKENS in lines[0]:
        lines = list(map(_without_tokens, lines))
    try:
        parsed = orjson.loads(b"[%b]" % b",".join(lines))
        columns = [list(map(field, parsed)) for field in _FIELDS]
    except (ValueError, LookupError, TypeError, RecursionError):
        columns = []
    kinds = [set(map(type, column)) for column in columns]
    usual = kinds == _KINDS and all(columns[1]) and _ENDINGS.issuperset(columns[3])
    if not usual or len(parsed) != len(block.lines):
        return [
            _parse(line, block.shard, number)
            for number, line in zip(block.numbers, block.lines, strict=True)
        ]
    return list(map(Row, repeat(block.shard.folder), *columns))


def _without_tokens(line: bytes) -> bytes:
    """A line without its list of tokens, which costs more than all the rest and nobody here reads.

    The field's name in quotes can't stand in a JSON string: there a backslash precedes every quote.
    """
    start = line.find(_TOKENS)
    if start >= 0:
        line = b'%b"tokens":0%b' % (line[:start], line[line.find(b"]", start) + 1 :])
    return line


def _ascends(row: Row, after: Row) -> bool:
    """Whether two rows are in order; one folder and model is the common case."""
    return row.sample < after.sample and row.folder == after.folder and row.model == after.model


def _explain_twice(blocks: Sequence[Block], twice: Row) -> str:
    places = [
        f"{block.shard.name}:{number}"
        for block in blocks
        for number, line in zip(block.numbers, block.lines, strict=True)
        if _place(_parse(line, block.shard, number)) == _place(twice)
    ]
    return (
        f"{places[1]}: sample {twice.sample} of model {twice.model!r} stands in {places[0]} "
        "already; remove one of the two"
    )


def _parse(line: bytes, shard: Shard, number: int) -> Row:
    """One line; says what is wrong with it, or takes what is unusual and right."""
    where = f"{shard.name}:{number}"
    try:
        row = json.loads(line.decode())
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}: not JSON ({error}); mend or remove the line") from error
    sample = parse_sample({**row, "tokens": None}, where)
    return Row(
        shard.folder,
        sample.sample,
        sample.model or Path(shard.name).resolve().parent.name,
        sample.response,
        sample.finish_reason,
        sample.logprob,
    )
