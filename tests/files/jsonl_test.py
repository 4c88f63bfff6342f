from __future__ import annotations

import codecs
import gzip
import json
import shlex
import subprocess
import sys
import tracemalloc
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rft_jax.errors import MistakeList, UserError
from rft_jax.files import jsonl
from rft_jax.files.jsonl import (
    atomic_write,
    file_digest,
    read_json,
    read_rows,
    write_json,
    write_rows,
)

ANY_TEXT = st.text('aé漢\ud800\u2028\n"\\\0', max_size=5)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | ANY_TEXT
VALUES = SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(ANY_TEXT, SCALARS, max_size=2)
ROWS = [{"a": 1, "b": "é\n\u2028"}, {"a": None}, {"lone": "\ud800"}]


@pytest.mark.parametrize("name", ["rows.json", "rows.json.gz"])
@pytest.mark.parametrize("indent", [None, 2])
def test_a_json_file_may_be_an_array_of_rows(tmp_path: Path, name: str, indent: int | None) -> None:
    content = codecs.BOM_UTF8 + b"\n " + json.dumps(ROWS, indent=indent).encode()
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    assert list(read_rows(path)) == list(enumerate(ROWS, start=1))
    write_rows(tmp_path / name, ROWS)  # or lines
    assert list(read_rows(path)) == list(enumerate(ROWS, start=1))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'[{"a": 1}, 2]', r"rows\.json:2: a JSON object is needed, found int"),
        (b'[{"a": 1}', r"rows\.json: not JSON"),
        (b'["\xff"]', r"rows\.json: not JSON"),
        (b"[" * 100_000, r"rows\.json: not JSON"),
    ],
)
def test_a_bad_array_is_named_by_file_and_row(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "rows.json").write_bytes(content)
    with pytest.raises(UserError, match=message):
        list(read_rows(tmp_path / "rows.json"))


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz"])
def test_rows_come_back_with_their_line_numbers(tmp_path: Path, name: str) -> None:
    write_rows(tmp_path / name, ROWS)
    assert list(read_rows(tmp_path / name)) == list(enumerate(ROWS, start=1))


@given(rows=st.lists(st.dictionaries(ANY_TEXT, VALUES, max_size=3), max_size=3))
def test_any_rows_come_back(tmp_path_factory: pytest.TempPathFactory, rows: list[dict]) -> None:
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    write_rows(path, rows)
    assert [row for _, row in read_rows(path)] == rows


@given(content=st.binary())
def test_any_bytes_are_rows_or_a_user_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    folder = tmp_path_factory.mktemp("bytes")
    for name in ("rows.jsonl", "rows.jsonl.gz"):
        (folder / name).write_bytes(content)
        with suppress(UserError):
            assert all(isinstance(row, dict) for _, row in read_rows(folder / name))


def test_blank_lines_are_counted_and_skipped(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_bytes(b'\n{"a": 1}\r\n  \n{"a": 2}')
    assert list(read_rows(tmp_path / "rows.jsonl")) == [(2, {"a": 1}), (4, {"a": 2})]


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_a_byte_order_mark_before_the_first_row_is_ignored(tmp_path: Path, name: str) -> None:
    write = gzip.open if name.endswith(".gz") else open
    with write(tmp_path / name, "wb") as file:
        file.write(b'\xef\xbb\xbf{"a": 1}\r\n{"a": 2}\r\n')
    assert list(read_rows(tmp_path / name)) == [(1, {"a": 1}), (2, {"a": 2})]


def test_a_compressed_file_has_the_same_bytes_each_time(tmp_path: Path) -> None:
    for name in ("one.gz", "two.gz"):
        write_rows(tmp_path / name, ROWS)
    assert file_digest(tmp_path / "one.gz") == file_digest(tmp_path / "two.gz")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"a": "é"}\n'.encode("utf-16"), r"rows\.jsonl: is UTF-16; write it as UTF-8: iconv"),
        (gzip.compress(b'{"a": 1}\n'), r"rows\.jsonl: is compressed by gzip; .* \.gz$"),
        (b"PK\x03\x04rest", r"rows\.jsonl: is a zip archive; unpack it"),
    ],
    ids=["utf-16", "gzip", "zip"],
)
def test_a_file_that_is_not_lines_of_utf_8_is_refused_with_the_fix(
    tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "rows.jsonl").write_bytes(content)
    with pytest.raises(UserError, match=message):
        list(read_rows(tmp_path / "rows.jsonl", MistakeList()))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": 1}\n{"a": ', r"rows\.jsonl:2: not JSON"),
        (b'{"a": "\xff"}', r"rows\.jsonl:1: not JSON"),
        (b"[" * 100_000, r"rows\.jsonl:1: not JSON"),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", r"rows\.jsonl:1: not JSON"),
        (b'{"a": ' + b"1" * 5000 + b"}", r"rows\.jsonl:1: not JSON"),
        (b'{"a": 1}\n[1]\n', r"rows\.jsonl:2: a JSON object is needed, found list"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "rows.jsonl").write_bytes(content)
    with pytest.raises(UserError, match=message):
        list(read_rows(tmp_path / "rows.jsonl"))


@pytest.mark.parametrize(
    "content",
    [b"{}\n", gzip.compress(b'{"a": 1}\n' * 9, mtime=0)[:-12]],
    ids=["not-gzip", "cut-short"],
)
def test_a_damaged_gzip_stream_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "rows.jsonl.gz").write_bytes(content)
    with pytest.raises(UserError, match=r"rows\.jsonl\.gz:\d+: the gzip stream is damaged"):
        list(read_rows(tmp_path / "rows.jsonl.gz"))


LINE = ("LONGEST_LINE", b'{"a": 1}\n{"b": "', r":2: a line of more than 1 MiB; remove it")
ARRAY = ("LONGEST_ARRAY", b'[{"b": "', ": a JSON array of more than 1 MiB; write JSON")


@pytest.mark.parametrize(
    ("name", "limit", "begin", "says"),
    [
        (f"rows{end}", *one)
        for kind, one in ((".jsonl", LINE), (".json", ARRAY))
        for end in (kind, f"{kind}.gz")
    ],
)
def test_an_endless_row_is_refused_before_it_takes_all_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, limit: str, begin: bytes, says: str
) -> None:
    monkeypatch.setattr(jsonl, limit, 1 << 20)
    write = gzip.open if name.endswith(".gz") else open
    with write(tmp_path / name, "wb") as file:
        file.write(begin)
        for _ in range(64):
            file.write(b"0" * (1 << 20))
    tracemalloc.start()
    with pytest.raises(UserError, match=f"{name}{says}"):
        list(read_rows(tmp_path / name))
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()


@pytest.mark.parametrize("name", ["rows.json", "rows.json.gz"])
def test_a_row_of_an_array_is_no_longer_than_a_line(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonl, "LONGEST_LINE", 1 << 20)

    def read(*sizes: int) -> list[int]:
        content = json.dumps([{"a": "0" * size} for size in sizes]).encode()
        (tmp_path / name).write_bytes(gzip.compress(content) if "gz" in name else content)
        return [len(row["a"]) for _, row in read_rows(tmp_path / name)]

    assert read(1 << 19, 1 << 19, 1 << 19) == [1 << 19] * 3
    with pytest.raises(UserError, match=rf"{name}:2: a row of more than 1 MiB; remove it"):
        read(1 << 19, 1 << 20)


def test_the_longest_line_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl, "LONGEST_LINE", 9)
    (tmp_path / "rows.jsonl").write_bytes(b'{"a": 1}\n' * 2)
    assert len(list(read_rows(tmp_path / "rows.jsonl"))) == 2


def test_a_missing_file_and_a_folder_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.jsonl: no such file"):
        list(read_rows(tmp_path / "none.jsonl"))
    with pytest.raises(UserError, match="is a folder; a JSONL file is needed"):
        list(read_rows(tmp_path))


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), atomic_write(path) as file:
        file.write("new")
        raise ZeroDivisionError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_one_json_value_comes_back(tmp_path: Path) -> None:
    for value in ({"b": [1, "é"], "a": None}, {"lone": "é\ud800"}):
        write_json(tmp_path / "value.json", value)
        assert read_json(tmp_path / "value.json") == value
    (tmp_path / "value.json").write_bytes(codecs.BOM_UTF8 + b"[1]")  # as some editors write it
    assert read_json(tmp_path / "value.json") == [1]
    (tmp_path / "value.json").write_text("{")
    with pytest.raises(UserError, match=r"value\.json: not JSON"):
        read_json(tmp_path / "value.json")
    (tmp_path / "value.json").write_text("[" * 100_000)
    with pytest.raises(UserError, match=r"value\.json: not JSON"):
        read_json(tmp_path / "value.json")
    with pytest.raises(UserError, match="no such file"):
        read_json(tmp_path / "none.json")


@pytest.mark.parametrize(("suffix", "divider"), [("csv", ","), ("TSV", "\t")])
def test_tables_are_refused_with_a_command_that_converts_them(
    tmp_path: Path, suffix: str, divider: str
) -> None:
    path = tmp_path / f"my file.{suffix}"
    rows = [["question", "answer"], ['"a, or\nb?"', "62"]]
    path.write_text("\ufeff" + "".join(divider.join(row) + "\n" for row in rows), encoding="utf-8")
    with pytest.raises(
        UserError, match=f"{suffix.upper()} is not read; convert it: python"
    ) as error:
        list(read_rows(path, MistakeList()))
    (line,) = error.value.lines()
    command = line.partition("convert it: ")[2].replace("python", shlex.quote(sys.executable), 1)
    subprocess.run(command, shell=True, check=True)
    expected = [(1, {"question": "a, or\nb?", "answer": "62"})]
    assert list(read_rows(path.with_suffix(".jsonl"))) == expected
