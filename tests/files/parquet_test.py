from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rft_jax import cli
from rft_jax.errors import UserError
from rft_jax.files.jsonl import read_rows
from rft_jax.files.parquet import write_parquet

pyarrow = pytest.importorskip("pyarrow")
pytest.importorskip("pyarrow.parquet")

ROWS = [{"a": 1, "b": {"c": ["x", None]}}, {"a": None, "b": {"c": []}}]


def test_rows_are_read_as_they_were_written_and_numbered(tmp_path: Path) -> None:
    write_parquet(tmp_path / "r.parquet", ROWS * 2000)
    assert list(read_rows(tmp_path / "r.parquet")) == list(enumerate(ROWS * 2000, start=1))


def test_lone_surrogates_which_utf8_does_not_have_are_replaced(tmp_path: Path) -> None:
    texts = {"a": "x\ud800", "b": {"c": ["\udfff", "\U0001f600"]}, "d": ("\udc00",)}
    write_parquet(tmp_path / "r.parquet", [texts])
    expected = {"a": "x\ufffd", "b": {"c": ["\ufffd", "\U0001f600"]}, "d": ["\ufffd"]}
    assert list(read_rows(tmp_path / "r.parquet")) == [(1, expected)]


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "r.parquet").write_text("{}")
    with pytest.raises(UserError, match=r"r\.parquet: not a Parquet file"):
        list(read_rows(tmp_path / "r.parquet"))


def test_without_pyarrow_the_message_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_parquet(tmp_path / "r.parquet", ROWS)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    words = ["collect", "--problems", str(tmp_path / "r.parquet"), "--output", str(tmp_path / "o")]
    assert cli.main(words) == 2
    assert "pyarrow, which is not installed: pip install '.[parquet]'" in capsys.readouterr().err


def test_the_columns_are_those_of_all_rows(tmp_path: Path) -> None:
    write_parquet(tmp_path / "r.parquet", [{"a": 1}, {"a": 2, "form": "program"}])
    rows = [row for _, row in read_rows(tmp_path / "r.parquet")]
    assert rows == [{"a": 1, "form": None}, {"a": 2, "form": "program"}]


@pytest.mark.parametrize(
    ("values", "kind", "seen"),
    [
        ([b"fine", b"caf\xe9"], "binary", "string"),
        ([10**7], "int32", "date32"),
        ([2**60], "int64", "timestamp[ms]"),
        ([2**62], "int64", "duration[s]"),
    ],
)
def test_values_that_python_lacks_are_refused(
    tmp_path: Path, values: list, kind: str, seen: str
) -> None:
    column = pyarrow.array(values, kind).view(seen)
    pyarrow.parquet.write_table(pyarrow.table({"a": column}), tmp_path / "r.parquet")
    with pytest.raises(UserError, match=r"r\.parquet: not a Parquet file that can be read"):
        list(read_rows(tmp_path / "r.parquet"))


@given(st.data())
def test_a_damaged_file_is_read_or_refused(data: st.DataObject) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "r.parquet"
        write_parquet(path, [{"a": "text", "b": n} for n in range(3)])
        content = bytearray(path.read_bytes())
        for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=5)):
            content[place] = data.draw(st.integers(0, 255))
        path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
        try:
            rows = [row for _, row in read_rows(path)]
        except UserError as error:
            assert str(error).startswith(f"{path}")
        else:
            assert all(isinstance(row, dict) for row in rows)
