from __future__ import annotations

import math
from pathlib import Path

import pytest

from rft_jax.errors import UserError
from rft_jax.files.jsonl import write_rows
from rft_jax.records import Path as TrainingPath
from rft_jax.records import (
    Problem,
    Sample,
    parse_sample,
    question_digest,
    read_paths,
    read_problems,
    read_samples,
    to_row,
)


def test_a_problem_without_an_id_gets_one_from_its_question(tmp_path: Path) -> None:
    rows = [
        {"question": "a?", "answer": "1"},
        {"query": "a?", "response": "2", "more": [1]},
        {"id": "mine", "question": "a?", "answer": "3"},
        {"question": "a?", "answer": "4"},
    ]
    write_rows(tmp_path / "some.x.jsonl", rows)
    base = f"some/{question_digest('a?')}"
    assert read_problems(tmp_path / "some.x.jsonl") == [
        Problem(base, "a?", "1"),
        Problem(f"{base}-2", "a?", "2"),
        Problem("mine", "a?", "3"),
        Problem(f"{base}-3", "a?", "4"),
    ]
    assert read_problems(tmp_path / "some.x.jsonl", prefix="p")[0].id.startswith("p/")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "holds no problem"),
        ([{"question": "a?"}], r":1: no 'answer' or 'response'; add the field"),
        ([{"question": 5, "answer": "1"}], r":1: question is 5; a string is needed"),
        ([{"id": "", "question": "a?", "answer": "1"}], r":1: id is ''; a non-empty string"),
        ([{"id": 7, "question": "a?", "answer": "1"}], r":1: id is 7; a non-empty string"),
        ([{"id": "p", "question": "a?", "answer": "1"}] * 2, r":2: id 'p' stands in line 1"),
    ],
)
def test_a_bad_problem_is_named_by_file_and_line(
    tmp_path: Path, rows: list[dict], message: str
) -> None:
    write_rows(tmp_path / "p.jsonl", rows)
    with pytest.raises(UserError, match=rf"p\.jsonl.*{message}"):
        read_problems(tmp_path / "p.jsonl")


def test_a_sample_round_trips(tmp_path: Path) -> None:
    whole = Sample("p", 3, "m", 7, "text", (1, 2), "length", -1.5)
    foreign = Sample("p", 4, "m", 7, "text", None, "stop", None)
    assert {"tokens", "logprob"}.isdisjoint(to_row(foreign))
    write_rows(tmp_path / "s.jsonl", map(to_row, (whole, foreign)))
    assert list(read_samples(tmp_path / "s.jsonl")) == [(1, whole), (2, foreign)]


def test_a_foreign_sample_needs_id_index_and_response() -> None:
    row = {"id": "p", "sample": 0, "response": "a", "logprob": -2, "other": {}}
    assert parse_sample(row, "here") == Sample("p", 0, "", 0, "a", None, "stop", -2.0)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tokens", [1, 2.5]),
        ("tokens", [True]),
        ("seed", None),
        ("sample", 1.0),
        ("finish_reason", "eos"),
        ("logprob", "-1"),
        ("logprob", math.nan),
        ("model", None),
        ("response", None),
    ],
)
def test_a_field_of_another_type_is_named(field: str, value: object) -> None:
    row = {"id": "p", "sample": 0, "response": "a", field: value}
    with pytest.raises(UserError, match=f"here: {field} "):
        parse_sample(row, "here")


def test_a_path_round_trips(tmp_path: Path) -> None:
    path = TrainingPath("p", "a?", "b", "sampled", ("m", "n"), ("1+1=2",))
    write_rows(
        tmp_path / "paths.jsonl", [to_row(path), {"id": "p", "query": "a?", "response": "b"}]
    )
    assert list(read_paths(tmp_path / "paths.jsonl")) == [
        (1, path),
        (2, TrainingPath("p", "a?", "b", "human", (), ())),
    ]
