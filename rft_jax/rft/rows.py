"""From a problem's raw lines to its samples, in one order that no file layout changes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

from rft_jax.errors import UserError
from rft_jax.records import parse_sample
from rft_jax.rft.samples import Block, Shard

_scan = json.JSONDecoder().scan_once  # type: ignore[attr-defined]
_place = itemgetter(slice(3))


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
    rows = [
        _parse(line, block.shard, number)
        for block in blocks
        for number, line in zip(block.numbers, block.lines, strict=True)
    ]
    if not all(map(_ascends, rows, rows[1:])):
        rows.sort(key=_place)
        for row, after in pairwise(rows):
            if _place(row) == _place(after):
                raise UserError(_explain_twice(blocks, row))
    return rows


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
    try:
        text = line.decode()
        # The list of tokens costs more than all the rest and nobody here reads it. Its name in
        # quotes can't stand in a JSON string: there a backslash precedes every quote.
        start = text.find('"tokens": [')
        if start >= 0:
            text = f'{text[:start]}"tokens":0{text[text.find("]", start) + 1 :]}'
        row, end = _scan(text, 0)
        if end + 1 < len(text) and text[end:].strip():
            raise ValueError("more than one value in a line")
    except (ValueError, StopIteration, RecursionError) as error:
        raise UserError(
            f"{shard.name}:{number}: not JSON ({error!r:.80}); mend or remove the line"
        ) from error
    get = row.get
    sample, model, response = get("sample"), get("model"), get("response")
    finish, logprob = get("finish_reason"), get("logprob")
    if (
        type(sample) is int
        and type(response) is str
        and type(model) is str
        and type(logprob) is float
        and (finish == "stop" or finish == "length")
    ):
        return Row(shard.folder, sample, model, response, finish, logprob)
    return _parse_slowly(row, shard, number)


def _parse_slowly(row: dict[str, Any], shard: Shard, number: int) -> Row:
    """Says what is wrong with a row, or takes what is unusual and right."""
    sample = parse_sample({**row, "tokens": None}, f"{shard.name}:{number}")
    return Row(
        shard.folder,
        sample.sample,
        sample.model or _folder_name(shard),
        sample.response,
        sample.finish_reason,
        sample.logprob,
    )


def _folder_name(shard: Shard) -> str:
    """What foreign samples without a model name are called."""
    return Path(shard.name).resolve().parent.name
