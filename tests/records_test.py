from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rft_jax.errors import UserError
from rft_jax.files.jsonl import write_rows
from rft_jax.records import (
    MAX_ANSWER_CHARS,
    VERDICTS,
    LedgerRow,
    Problem,
    Reason,
    Sample,
    ledger_line,
    parse_sample,
    path_line,
    question_digest,
    read_ledger,
    read_paths,
    read_problems,
    read_samples,
    sample_files,
    to_row,
)
from rft_jax.records import Path as TrainingPath

texts = st.text(st.characters(codec=None), max_size=20)


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


@given(
    st.builds(
        TrainingPath,
        texts,
        texts,
        texts,
        st.just("human"),
        st.tuples(texts, texts),
        st.tuples(texts),
    )
)
def test_a_line_of_paths_is_its_row_in_json(path: TrainingPath) -> None:
    assert path_line(*asdict(path).values()) == json.dumps(to_row(path), ensure_ascii=False) + "\n"


_reasons = st.builds(Reason, texts, texts, st.none() | st.integers(1, 99))
_ledger_rows = st.builds(
    LedgerRow,
    texts,
    st.integers(0, 99),
    texts,
    st.sampled_from(sorted(VERDICTS)),
    st.none() | _reasons,
    st.none() | texts,
    st.none() | texts,
    st.booleans(),
)


@given(_ledger_rows)
def test_a_line_of_the_ledger_is_its_row_in_json(row: LedgerRow) -> None:
    reason = None if row.reason is None else row.reason._asdict()
    line = json.dumps({**row._asdict(), "reason": reason}, ensure_ascii=False)
    assert ledger_line(*row) == line + "\n"


def test_a_ledger_comes_back_as_it_was_and_so_does_one_of_an_earlier_version(
    tmp_path: Path,
) -> None:
    rows = [
        LedgerRow(
            "p", 0, "m", "wrong_answer", Reason("answer", "answers 1", None), "1", "k", False
        ),
        LedgerRow("p", 1, "m", "correct", None, "2", None, True),
    ]
    old = {"id": "p", "sample": 2, "model": "m", "verdict": "correct", "key": "k", "kept": True}
    text = "".join(ledger_line(*row) for row in rows) + json.dumps(old)
    (tmp_path / "ledger.jsonl").write_text(text)
    assert list(read_ledger(tmp_path)) == [
        *rows,
        LedgerRow("p", 2, "m", "correct", None, None, "k", True),
    ]


def test_a_long_answer_is_cut_in_the_ledger() -> None:
    row = LedgerRow("p", 0, "m", "wrong_answer", None, "9" * 5000, "", False)
    assert len(json.loads(ledger_line(*row))["answer"]) == MAX_ANSWER_CHARS


def test_an_unknown_verdict_is_named_by_file_and_line(tmp_path: Path) -> None:
    row = {"id": "p", "sample": 0, "model": "m", "verdict": "fine", "key": "", "kept": False}
    write_rows(tmp_path / "ledger.jsonl", [row])
    with pytest.raises(UserError, match=r"ledger\.jsonl:1: verdict 'fine'; there are timeout, tru"):
        list(read_ledger(tmp_path))


def test_samples_files_are_found_by_name_in_order(tmp_path: Path) -> None:
    for name in ("samples-2.jsonl.gz", "samples-1.jsonl", "samples.jsonl", "other.jsonl", "x"):
        (tmp_path / name).touch()
    names = [file.name for file in sample_files(tmp_path)]
    assert names == ["samples-1.jsonl", "samples-2.jsonl.gz", "samples.jsonl"]
    assert sample_files(tmp_path / "other.jsonl") == [tmp_path / "other.jsonl"]


def test_folders_without_finished_samples_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        sample_files(tmp_path / "missing")
    with pytest.raises(UserError, match="no samples-"):
        sample_files(tmp_path)
    (tmp_path / "samples-0.jsonl").touch()
    (tmp_path / "settings.json").write_text("{}")
    with pytest.raises(UserError, match="not finished; run the same rft sample again"):
        sample_files(tmp_path)
    (tmp_path / "COMPLETE").touch()
    assert len(sample_files(tmp_path)) == 1
