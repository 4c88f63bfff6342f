from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rft_jax.errors import UserError
from rft_jax.files.jsonl import write_rows
from rft_jax.records import VERDICTS, LedgerRow, Reason, ledger_line, read_ledger
from rft_jax.records.ledger import MAX_ANSWER_CHARS

texts = st.text(st.characters(codec=None), max_size=20)
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
    fields = {name: value for name, value in row._asdict().items() if name != "end"}
    line = json.dumps({**fields, "reason": reason}, ensure_ascii=False)
    assert ledger_line(*row[:-1]) == line + "\n"


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
    text = "".join(ledger_line(*row[:-1]) for row in rows) + json.dumps(old)
    (tmp_path / "ledger.jsonl").write_text(text)
    assert list(read_ledger(tmp_path)) == [
        *rows,
        LedgerRow("p", 2, "m", "correct", None, None, "k", True),
    ]


def test_a_policys_ledger_says_how_much_of_a_response_was_graded(tmp_path: Path) -> None:
    row = {"id": "p", "sample": 0, "model": "m", "verdict": "correct", "kept": True}
    write_rows(tmp_path / "ledger.jsonl", [row | {"end": 0}, row | {"end": 7}, row])
    assert [one.end for one in read_ledger(tmp_path)] == [0, 7, None]


def test_a_long_answer_is_cut_in_the_ledger() -> None:
    row = LedgerRow("p", 0, "m", "wrong_answer", None, "9" * 5000, "", False)
    assert len(json.loads(ledger_line(*row[:-1]))["answer"]) == MAX_ANSWER_CHARS


def test_an_unknown_verdict_is_named_by_file_and_line(tmp_path: Path) -> None:
    row = {"id": "p", "sample": 0, "model": "m", "verdict": "fine", "key": "", "kept": False}
    write_rows(tmp_path / "ledger.jsonl", [row])
    with pytest.raises(UserError, match=r"ledger\.jsonl:1: verdict 'fine'; there are timeout, tru"):
        list(read_ledger(tmp_path))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("reason", "answer"),
        ("reason", {"kind": "answer"}),
        ("reason", {"kind": "answer", "detail": "d", "line": "1"}),
        ("answer", 5),
        ("key", ["3+2=5"]),
    ],
)
def test_a_field_of_another_type_is_named(tmp_path: Path, field: str, value: object) -> None:
    row = {"id": "p", "sample": 0, "model": "m", "verdict": "correct", field: value}
    write_rows(tmp_path / "ledger.jsonl", [row])
    with pytest.raises(UserError, match=rf"ledger\.jsonl:1: {field}"):
        list(read_ledger(tmp_path))
