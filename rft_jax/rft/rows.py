"""From a problem's raw lines to its samples, in one order that no file layout changes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, repeat
from operator import itemgetter
from typing import NamedTuple

import orjson

from rft_jax.errors import UserError
from rft_jax.records import FINISH_REASONS, PROGRAM, folder_model, is_only_answer
from rft_jax.rft.samples import Block, Shard, parse_line

_position = itemgetter(slice(3))
_FIELDS = tuple(map(itemgetter, ("sample", "model", "response", "finish_reason", "logprob")))
_TYPES = [{int}, {str}, {str}, {str}, {float}]
_TOKENS = b'"tokens": ['


class Row(NamedTuple):
    """What collecting needs of a sample; the first three fields give the order.

    Attributes:
      folder: index of its folder among those given; -1 for a reference solution.
      sample: index among the problem's samples of this model; -1 for a reference solution.
      logprob: natural logarithm; None in foreign files.
      form: of the response: `text` or `program`.
    """

    folder: int
    sample: int
    model: str
    response: str
    finish_reason: str
    logprob: float | None
    form: str = "text"

    @property
    def is_solution(self) -> bool:
        """Whether it is more than a final answer."""
        return self.form == PROGRAM or not is_only_answer(self.response)


def parse_rows(blocks: Sequence[Block]) -> list[Row]:
    """The samples of one problem, by folder and sample index.

    Raises:
      UserError: a line is not a sample, or a sample occurs twice; names file and line.
    """
    rows = [row for block in blocks for row in _parse_block(block)]
    if not all(map(_ascends, rows, rows[1:])):
        rows.sort(key=_position)
        for row, after in pairwise(rows):
            if _position(row) == _position(after):
                raise UserError(_explain_duplicate(blocks, row))
    return rows


def _parse_block(block: Block) -> list[Row]:
    """All lines at once if they are written as in our own files, else one by one."""
    lines = block.lines
    if _TOKENS in lines[0]:
        lines = list(map(_without_tokens, lines))
    try:
        parsed = orjson.loads(b"[%b]" % b",".join(lines))
        columns = [list(map(field, parsed)) for field in _FIELDS]
    except (ValueError, LookupError, TypeError, RecursionError):
        columns = []
    types = [set(map(type, column)) for column in columns]
    usual = types == _TYPES and all(columns[1]) and set(FINISH_REASONS).issuperset(columns[3])
    usual = usual and min(columns[0]) >= 0 and not any("form" in row for row in parsed)
    if not usual or len(parsed) != len(block.lines):
        return [
            _parse(line, block.shard, number)
            for number, line in zip(block.numbers, block.lines, strict=True)
        ]
    return list(map(Row, repeat(block.shard.folder), *columns))


def _without_tokens(line: bytes) -> bytes:
    """A line without its list of tokens, which takes longer to parse than the rest and is not used.

    The field's name in quotes can't stand in a JSON string: there a backslash precedes every quote.
    """
    start = line.find(_TOKENS)
    if start >= 0:
        line = b'%b"tokens":0%b' % (line[:start], line[line.find(b"]", start) + 1 :])
    return line


def _ascends(row: Row, after: Row) -> bool:
    """Whether two rows of one folder and model, the common case, are in order."""
    return row.sample < after.sample and row.folder == after.folder and row.model == after.model


def _explain_duplicate(blocks: Sequence[Block], duplicate: Row) -> str:
    lines = [
        f"{block.shard.name}:{number}"
        for block in blocks
        for number, line in zip(block.numbers, block.lines, strict=True)
        if _position(_parse(line, block.shard, number)) == _position(duplicate)
    ]
    return (
        f"{lines[1]}: sample {duplicate.sample} of model {duplicate.model!r} is in {lines[0]} "
        "already; remove one of the two"
    )


def _parse(line: bytes, shard: Shard, number: int) -> Row:
    """One line; explains what is invalid, and reads what is unusual and valid."""
    where = f"{shard.name}:{number}"
    sample = parse_line(line, where)
    return Row(
        shard.folder,
        sample.sample,
        sample.model or folder_model(shard.name),
        sample.response,
        sample.finish_reason,
        sample.logprob,
        sample.form,
    )
