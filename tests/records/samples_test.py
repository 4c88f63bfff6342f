from __future__ import annotations

import math
from pathlib import Path

import pytest

from rft_jax.errors import UserError
from rft_jax.files.jsonl import write_rows
from rft_jax.records import Sample, parse_sample, read_samples, sample_files, to_row


def test_a_sample_round_trips(tmp_path: Path) -> None:
    whole = Sample("p", 3, "m", 7, "text", (1, 2), "length", -1.5)
    foreign = Sample("p", 4, "m", 7, "text", None, "stop", None)
    assert {"tokens", "logprob"}.isdisjoint(to_row(foreign))
    program = Sample("p", 5, "m", 7, "print(1)", None, "stop", None, "program")
    assert "form" not in to_row(whole)
    write_rows(tmp_path / "s.jsonl", map(to_row, (whole, foreign, program)))
    path = tmp_path / "s.jsonl"
    expected = [(f"{path}:{i + 1}", one) for i, one in enumerate((whole, foreign, program))]
    assert list(read_samples(path)) == expected


def test_a_foreign_sample_needs_id_index_and_response() -> None:
    row = {"id": "p", "sample": 0, "response": "a", "logprob": -2, "other": {}}
    assert parse_sample(row, "here") == Sample("p", 0, "", 0, "a", None, "stop", -2.0)


def test_null_is_missing_where_a_field_may_be() -> None:
    row = {"id": "p", "sample": 0, "response": "a"}
    names = ("tokens", "seed", "finish_reason", "logprob", "model", "form")
    assert parse_sample(row | dict.fromkeys(names), "here") == parse_sample(row, "here")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tokens", [1, 2.5]),
        ("tokens", [True]),
        ("seed", "0"),
        ("sample", 1.0),
        ("sample", -1),
        ("sample", None),
        ("finish_reason", "eos"),
        ("logprob", "-1"),
        ("logprob", math.nan),
        ("logprob", -(10**400)),
        ("model", 7),
        ("response", None),
        ("form", "code"),
        ("form", []),
    ],
)
def test_a_field_of_another_type_is_named(field: str, value: object) -> None:
    row = {"id": "p", "sample": 0, "response": "a", field: value}
    with pytest.raises(UserError, match=f"here: {field} "):
        parse_sample(row, "here")


def test_samples_that_name_no_model_have_their_folders_name(tmp_path: Path) -> None:
    rows = [{"id": "p", "sample": i, "response": "a"} for i in range(2)]
    file = tmp_path / "7b" / "samples.jsonl"
    write_rows(file, [rows[0], {**rows[1], "model": "m"}])
    for path in (file, file.parent):
        assert [sample.model for _, sample in read_samples(path)] == ["7b", "m"]


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
