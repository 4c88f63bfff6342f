from __future__ import annotations

import gzip
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from rft_jax import cli
from rft_jax.errors import UserError
from rft_jax.files.parquet import write_parquet
from rft_jax.records.foreign import read_any_samples
from rft_jax.records.problems import Problem
from rft_jax.records.renamed import Renaming, parse_columns
from rft_jax.records.samples import sample_files


@pytest.mark.parametrize("text", ["question", "=x", "question=", "frage=q"])
def test_a_mapping_that_says_nothing_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=f"--columns {text}: NAME=COLUMN,… is needed, NAME one of"):
        parse_columns(text)


def test_a_name_with_two_columns_is_refused() -> None:
    with pytest.raises(UserError, match=r"--columns .*: answer is 'a' and 'b'; name one"):
        parse_columns("answer=a,question=q,answer=b")


def _collect(tmp_path: Path, columns: str) -> int:
    words = ["collect", "--problems", str(tmp_path / "p.parquet"), "--columns", columns]
    words += ["--samples", str(tmp_path / "s.jsonl"), "--gin.collect.workers=1"]
    return cli.main([*words, "--output", str(tmp_path / "c")])


def test_renamed_columns_are_read_in_all_files(tmp_path: Path) -> None:
    write_parquet(tmp_path / "p.parquet", [{"text": "q?", "meta": {"target": 5}}])
    sample = {"text": "q?", "generated": "It is 5.\n#### 5"}
    (tmp_path / "s.jsonl").write_text(json.dumps(sample) + "\n")
    assert _collect(tmp_path, "question=text,answer=meta.target,response=generated") == 0
    rows = [json.loads(row) for row in (tmp_path / "c" / "paths.jsonl").read_text().splitlines()]
    (row,) = rows
    assert (row["query"], row["response"]) == ("q?", "It is 5.\n#### 5")
    assert row["id"].startswith("p/")


def test_mistakes_name_the_users_file_and_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_parquet(tmp_path / "p.parquet", [{"text": "q?", "target": 5}])
    (tmp_path / "s.jsonl").write_text('\n{"text": "who?", "response": "5"}\n')
    assert _collect(tmp_path, "question=text,answer=target") == 2
    assert f"{tmp_path}/s.jsonl:2: no problem has the question 'who?'" in capsys.readouterr().err
    assert _collect(tmp_path, "question=text,answer=label") == 2
    message = "--columns answer=label: no row has a column 'label'; there are text, target, resp"
    assert message in capsys.readouterr().err


def test_all_lines_that_are_not_rows_are_named_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_parquet(tmp_path / "p.parquet", [{"text": "q?", "target": 5}])
    (tmp_path / "s.jsonl").write_text('{"id": 1}\n{oops\n\n[]\n')
    assert _collect(tmp_path, "question=text,answer=target") == 2
    printed = capsys.readouterr().err
    assert f"{tmp_path}/s.jsonl: 2 mistakes" in printed
    assert all(f"{tmp_path}/s.jsonl:{number}: " in printed for number in (2, 4))


def test_a_file_that_is_not_there_is_named_before_its_columns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _collect(tmp_path, "question=text") == 2
    problems, samples = f"{tmp_path}/p.parquet is not a file", f"{tmp_path}/s.jsonl is not a file"
    assert f"no row has a column 'text'; {problems}, and {samples}\n" in capsys.readouterr().err
    (tmp_path / "s.jsonl").write_text('{"id": "a"}\n')
    assert _collect(tmp_path, "question=text") == 2
    message = f"no row has a column 'text'; there are id, and {problems}\n"
    assert message in capsys.readouterr().err


@given(
    st.sets(st.from_regex(r"samples[-_a-z0-9.]{0,9}\.(jsonl|jsonl\.gz|parquet)", fullmatch=True))
)
@example({"samples-a.parquet", "samples-a.parquet.jsonl", "samples-a.jsonl", "samples-a.jsonl.gz"})
def test_every_file_of_a_folder_is_copied_in_its_order(names: set[str]) -> None:
    assume(names)
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / "several"
        folder.mkdir()
        for name in names:
            row = {"text": "q?", "generated": name}
            if name.endswith("parquet"):
                write_parquet(folder / name, [row])
                continue
            line = json.dumps(row).encode()
            (folder / name).write_bytes(gzip.compress(line) if name.endswith("gz") else line)
        (Path(scratch) / "copies").mkdir()
        columns = {"question": "text", "response": "generated"}
        copy = Renaming(columns, Path(scratch) / "copies").copy(folder)
        samples = [sample for _, sample in read_any_samples([Problem("p", "q?", "5")], copy)]
        assert [one.response for one in samples] == [path.name for path in sample_files(folder)]
        assert {one.model for one in samples} == {"several"}


def test_a_folder_of_two_models_is_collected_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_parquet(tmp_path / "p.parquet", [{"text": "q?", "target": 5}])
    folder = tmp_path / "s.jsonl"  # where `_collect` looks
    folder.mkdir()
    for size in ("1.5b", "7b"):
        rows = [{"text": "q?", "generated": f"It is {n} of {size}.\n#### 5"} for n in range(2)]
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"samples-qwen2.5-{size}.jsonl").write_text(lines)
    assert _collect(tmp_path, "question=text,answer=target,response=generated") == 0
    assert len((tmp_path / "c" / "ledger.jsonl").read_text().splitlines()) == 4
    (folder / "samples-qwen2.5-7b.jsonl").write_text('{"text": "who?", "generated": "5"}\n')
    (tmp_path / "c").rename(tmp_path / "before")
    assert _collect(tmp_path, "question=text,answer=target,response=generated") == 2
    assert f"{folder}/samples-qwen2.5-7b.jsonl:1: no problem" in capsys.readouterr().err
