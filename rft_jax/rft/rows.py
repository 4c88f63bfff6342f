"""From a problem's raw lines to its samples, in one order that no file layout changes."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rft_jax.errors import UserError
from rft_jax.records import parse_sample
from rft_jax.rft.samples import Block, Shard

# Parsing a list of numbers costs more than all the rest of a line, and nobody here reads it. Inside
# a JSON string a backslash precedes every quote, so this can only be the field itself.
_TOKENS = re.compile(r'"tokens": ?\[[0-9, ]*\]')


class Row(NamedTuple):
    """What collecting needs of a sample."""

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
    found: dict[tuple[int, int, str], Row] = {}
    for block in blocks:
        shard = block.shard
        for number, line in zip(block.numbers, block.lines, strict=True):
            row = _parse(line, shard, number)
            key = row[:3]
            if key in found:
                raise UserError(
                    f"{shard.name}:{number}: sample {row.sample} of model {row.model!r} stands "
                    "there a second time; remove one, or one of two files with the same samples"
                )
            found[key] = row
    return [found[key] for key in sorted(found)]


def _parse(line: bytes, shard: Shard, number: int) -> Row:
    try:
        text = line.decode()
        row = json.loads(_TOKENS.sub('"tokens":0', text, count=1))
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"{shard.name}:{number}: not JSON ({error}); mend or remove the line"
        ) from error
    sample, response = row.get("sample"), row.get("response")
    finish, logprob = row.get("finish_reason", "stop"), row.get("logprob")
    model = row.get("model")
    if (
        type(sample) is not int
        or type(response) is not str
        or (finish != "stop" and finish != "length")
        or (logprob is not None and type(logprob) is not float)
        or (model is not None and type(model) is not str)
    ):
        return _parse_slowly(row, shard, number)
    return Row(shard.folder, sample, model or _folder_name(shard), response, finish, logprob)


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
