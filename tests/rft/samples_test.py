from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

import pytest

from rft_jax.errors import UserError
from rft_jax.rft.rows import parse_rows
from rft_jax.rft.samples import (
    Shard,
    UnsortedError,
    find_shards,
    merge_by_problem,
    sorted_runs,
)
from tests.rft.make import sample_row, write_lines

PLACES = {f"p{index}": index for index in range(20)}


def _rows(shards: list[Shard]) -> list[tuple[int, int, int, str]]:
    """(place, folder, sample, response) of all samples in merged order."""
    return [
        (place, row.folder, row.sample, row.response)
        for place, blocks in merge_by_problem(shards, PLACES)
        for row in parse_rows(blocks)
    ]


def _expected(rows: list[dict]) -> list[tuple[int, int, int, str]]:
    return sorted((PLACES[row["id"]], 0, row["sample"], row["response"]) for row in rows)


def test_shards_are_merged_problem_by_problem(tmp_path: Path) -> None:
    rows = [sample_row(f"p{p}", s, f"text {p} {s}") for p in range(20) for s in range(3)]
    shards = []
    for host in range(3):
        mine = [row for row in rows if PLACES[row["id"]] % 3 == host]
        shards.append(Shard(write_lines(tmp_path / f"samples-{host}.jsonl", mine), 0))
    assert _rows(shards) == _expected(rows)


def test_one_problems_samples_may_lie_in_many_shards(tmp_path: Path) -> None:
    rows = [sample_row(f"p{p}", s, f"text {p} {s}") for p in range(20) for s in range(6)]
    shards = [
        Shard(write_lines(tmp_path / f"s{seed}.jsonl", [r for r in rows if r["sample"] == seed]), 0)
        for seed in reversed(range(6))
    ]
    assert _rows(shards) == _expected(rows)


@pytest.mark.parametrize("run_bytes", [1, 2000, 10**9])
def test_an_unsorted_file_is_sorted_on_disk_first(tmp_path: Path, run_bytes: int) -> None:
    rows = [sample_row(f"p{p}", s, f"text {p} {s}\n\t") for p in range(20) for s in range(5)]
    shuffled = random.Random(0).sample(rows, len(rows))
    shard = Shard(write_lines(tmp_path / "samples-0.jsonl", shuffled), 0)
    with pytest.raises(UnsortedError):
        _rows([shard])
    runs = sorted_runs([shard], PLACES, tmp_path, run_bytes)
    assert (len(runs) == 1) == (run_bytes == 10**9)
    assert _rows(runs) == _expected(rows)
    assert {run.name for run in runs} == {shard.path}


def test_a_sorted_file_is_read_where_it_is(tmp_path: Path) -> None:
    shard = Shard(write_lines(tmp_path / "s.jsonl", [sample_row("p1", 0, "a")]), 0)
    assert sorted_runs([shard], PLACES, tmp_path) == [shard]


def test_lines_of_a_sorted_run_keep_their_numbers_for_messages(tmp_path: Path) -> None:
    rows = [sample_row("p2", 0, "a"), sample_row("p1", 0, "b"), {"id": "p0", "sample": "x"}]
    shard = Shard(write_lines(tmp_path / "s.jsonl", rows), 0)
    with pytest.raises(
        UserError, match=r"s\.jsonl:3: .*sample is 'x'|s\.jsonl:3: no 'model'|s\.jsonl:3"
    ):
        _rows(sorted_runs([shard], PLACES, tmp_path))


def test_other_layouts_of_a_row_are_read_too(tmp_path: Path) -> None:
    rows = [
        {"response": "a", "sample": 0, "id": "p1", "extra": {"tokens": [1]}},
        {"id": "p1", "tokens": [], "sample": 1, "response": '"tokens": [1, 2]', "model": "x"},
        {"id": "p1", "sample": 2, "response": "c", "logprob": -3, "finish_reason": "length"},
    ]
    path = tmp_path / "folder" / "samples.jsonl"
    path.parent.mkdir()
    text = "\n\n".join(json.dumps(row, separators=(",", ":")) for row in rows) + "\r\n\n"
    path.write_text(text)
    found = dict(merge_by_problem([Shard(str(path), 0)], PLACES))
    assert [index for index, blocks in found.items() if blocks] == [1]
    parsed = parse_rows(found[1])
    assert [row.response for row in parsed] == ["a", '"tokens": [1, 2]', "c"]
    assert [row.model for row in parsed] == ["folder", "x", "folder"]
    assert parsed[2].logprob == -3.0 and parsed[2].finish_reason == "length"


def test_an_id_with_escapes_is_the_same_id(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    path.write_text('{"id": "p\\u0031", "sample": 0, "model": "m", "response": "a"}\n')
    assert _rows([Shard(str(path), 0)]) == [(1, 0, 0, "a")]


def test_a_byte_order_mark_and_windows_line_ends_mean_nothing(tmp_path: Path) -> None:
    rows = [json.dumps(sample_row("p1", n, "a")) for n in range(2)]
    path = tmp_path / "s.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(rows).encode())
    assert _rows([Shard(str(path), 0)]) == [(1, 0, 0, "a"), (1, 0, 1, "a")]


def test_gzip_is_read_by_suffix(tmp_path: Path) -> None:
    path = tmp_path / "samples-00000-of-00001.jsonl.gz"
    with gzip.open(path, "wt") as file:
        file.write(json.dumps(sample_row("p1", 0, "a")) + "\n")
    assert _rows(find_shards([str(tmp_path)])) == [(1, 0, 0, "a")]


def test_folders_are_taken_in_the_order_given_and_files_by_name(tmp_path: Path) -> None:
    for folder in ("b", "a"):
        (tmp_path / folder).mkdir()
        for name in ("samples-00001-of-00002.jsonl", "samples-00000-of-00002.jsonl"):
            write_lines(tmp_path / folder / name, [])
    (tmp_path / "a" / "other.jsonl").touch()
    shards = find_shards([str(tmp_path / "b"), str(tmp_path / "a")])
    assert [(Path(s.path).parent.name, s.folder) for s in shards] == [
        ("b", 0), ("b", 0), ("a", 1), ("a", 1)
    ]  # fmt: skip
    assert shards[0].path.endswith("00000-of-00002.jsonl")


def test_folders_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        find_shards([str(tmp_path / "missing")])
    with pytest.raises(UserError, match="no samples-"):
        find_shards([str(tmp_path)])
    write_lines(tmp_path / "samples-0.jsonl", [])
    with pytest.raises(UserError, match="named twice"):
        find_shards([str(tmp_path), str(tmp_path / ".." / tmp_path.name)])
    (tmp_path / "settings.json").write_text("{}")
    with pytest.raises(UserError, match="not finished"):
        find_shards([str(tmp_path)])
    (tmp_path / "COMPLETE").touch()
    assert len(find_shards([str(tmp_path)])) == 1
    write_lines(tmp_path / "samples-00002-of-00004.jsonl.gz", [])
    with pytest.raises(UserError, match=r"3 of 4 shards are missing, the first is .*-00000-of-0"):
        find_shards([str(tmp_path)])
