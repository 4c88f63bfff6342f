"""A block of lines read at once gives what each line gives by itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rft_jax.errors import UserError
from rft_jax.records import parse_sample
from rft_jax.rft.rows import Row, parse_rows
from rft_jax.rft.samples import Block, Shard

SHARD = Shard("models/samples.jsonl", 0)
GOOD = {"id": "p", "sample": 0, "model": "m", "seed": 0, "response": "4 apples\n#### 4"}
GOOD |= {"tokens": [5, 6], "finish_reason": "stop", "logprob": -1.5}

texts = st.text(st.characters(codec=None), max_size=20)
odd_rows = st.fixed_dictionaries(
    {
        "id": st.just("p"),
        "sample": st.integers(-1, 3) | st.just(2**70) | st.just("0"),
        "model": texts,
        "response": texts | st.sampled_from(['"tokens": [', "]", '\\"tokens": [1', "\\ud800"]),
        "tokens": st.lists(st.integers(0, 9), max_size=3),
        "finish_reason": st.sampled_from(["stop", "length", "eos", None]),
        "logprob": st.floats() | st.none() | st.integers() | st.just(-(10**400)),
    },
    optional={"form": st.sampled_from(["text", "program", "code"])},
)


def lines_of(rows: list[dict[str, Any]], ascii_only: bool = True) -> list[bytes]:
    return [
        (json.dumps(row, ensure_ascii=ascii_only) + "\n").encode("utf-8", "surrogatepass")
        for row in rows
    ]


def block(lines: list[bytes]) -> Block:
    return Block(SHARD, list(range(1, len(lines) + 1)), lines)


def one_by_one(lines: list[bytes]) -> list[Row]:
    """By the standard library and the reader of a sample's fields."""
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            fields = json.loads(line.decode())
        except ValueError as error:
            raise UserError(str(error)) from error
        sample = parse_sample({**fields, "tokens": None}, f"{SHARD.path}:{number}")
        model = sample.model or Path(SHARD.path).resolve().parent.name
        rest = (sample.response, sample.finish_reason, sample.logprob, sample.form)
        rows.append(Row(0, sample.sample, model, *rest))
    rows.sort(key=lambda row: row[:3])
    if len({row[:3] for row in rows}) < len(rows):
        raise UserError("twice")
    return rows


@given(st.lists(odd_rows, min_size=1, max_size=4), st.booleans())
def test_lines_read_at_once_are_what_the_standard_library_reads(
    rows: list[dict[str, Any]], ascii_only: bool
) -> None:
    lines = lines_of(rows, ascii_only)
    try:
        expected = one_by_one(lines)
    except UserError:
        with pytest.raises(UserError):
            parse_rows([block(lines)])
    else:
        assert repr(parse_rows([block(lines)])) == repr(expected)  # nan is not equal to itself


def test_a_line_that_holds_two_rows_is_an_error_that_names_it() -> None:
    line = lines_of([GOOD])[0].strip()
    with pytest.raises(UserError, match=r"samples\.jsonl:2: not JSON"):
        parse_rows([block([lines_of([GOOD | {"sample": 1}])[0], line + b"," + line])])


@pytest.mark.parametrize("odd", [b"\xff", b"[" * 5000, b"{"])
def test_a_line_that_is_not_a_row_is_an_error_that_names_it(odd: bytes) -> None:
    with pytest.raises(UserError, match=r"samples\.jsonl:2"):
        parse_rows([block([lines_of([GOOD])[0], odd])])
