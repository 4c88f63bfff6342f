"""Segments: what a killed run leaves, and how it is merged."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from rft_jax.files.jsonl import read_rows, write_rows
from rft_jax.sampling.segments import Segments, remove_segments

SHARE = "00000-of-00001"


def _rows(identity: str, *samples: int) -> list[dict]:
    return [{"id": identity, "sample": sample} for sample in samples]


def _merged(segments: Segments, path: Path, counts: dict[str, int]) -> list[tuple[str, int]]:
    segments.merge(path, counts)
    return [(row["id"], row["sample"]) for _, row in read_rows(path)]


def test_a_segment_cut_short_by_a_crash_cannot_exist_under_its_name(tmp_path: Path) -> None:
    """What a killed writer leaves beside it is not read."""
    folder = tmp_path / "segments" / SHARE
    folder.mkdir(parents=True)
    (folder / ".segment-000000.jsonl.17.tmp").write_text('{"id": "p0", "sam')
    assert Segments(tmp_path, SHARE).count("p0") == 0


def test_rounds_of_a_problem_are_merged_in_problem_and_sample_order(tmp_path: Path) -> None:
    first = Segments(tmp_path, SHARE)
    first.add(_rows("c", 0, 1))
    first.flush()
    second = Segments(tmp_path, SHARE)
    assert second.count("c") == 2
    second.add(_rows("a", 0))
    second.add(_rows("d", 0, 1))
    second.flush()
    second.add(_rows("c", 2, 3, 4))
    second.flush()
    counts = {"d": 1, "never sampled": 3, "c": 4, "a": 1}
    expected = [("d", 0), ("c", 0), ("c", 1), ("c", 2), ("c", 3), ("a", 0)]
    assert _merged(second, tmp_path / "merged.jsonl", counts) == expected


def test_samples_after_a_missing_one_do_not_count(tmp_path: Path) -> None:
    segments = Segments(tmp_path, SHARE)
    segments.add(_rows("a", 0, 1, 3))
    segments.flush()
    assert Segments(tmp_path, SHARE).count("a") == 2
    segments.add(_rows("a", 2, 3))
    segments.flush()
    assert Segments(tmp_path, SHARE).count("a") == 4
    expected = [("a", 0), ("a", 1), ("a", 2), ("a", 3)]
    assert _merged(segments, tmp_path / "merged.jsonl", {"a": 4}) == expected


def test_parts_of_version_0_1_0_are_read_and_removed(tmp_path: Path) -> None:
    folder = tmp_path / "parts" / SHARE
    write_rows(folder / "first" / "part-000000.jsonl", _rows("a", 0, 1))
    write_rows(folder / "rest" / "part-000000.jsonl", _rows("a", 2))
    segments = Segments(tmp_path, SHARE)
    assert segments.count("a") == 3
    assert len(_merged(segments, tmp_path / "merged.jsonl", {"a": 3})) == 3
    remove_segments(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["merged.jsonl"]


@given(
    order=st.permutations([(name, start) for name in "abc" for start in (0, 2, 4)]),
    flushes=st.sets(st.integers(0, 8)),
)
def test_any_order_of_requests_merges_to_the_same_file(
    tmp_path_factory, order: list[tuple[str, int]], flushes: set[int]
) -> None:
    output = tmp_path_factory.mktemp("any")
    # Rounds of one problem come in their order, those of several in any.
    starts = {name: iter((0, 2, 4)) for name in "abc"}
    segments = Segments(output, SHARE)
    for number, (name, _) in enumerate(order):
        start = next(starts[name])
        segments.add(_rows(name, start, start + 1))
        if number in flushes:
            segments.flush()
    segments.flush()
    assert [segments.count(name) for name in "abc"] == [6, 6, 6]
    expected = [(name, sample) for name in "bca" for sample in range(5)]
    assert _merged(segments, output / "merged.jsonl", dict.fromkeys("bca", 5)) == expected
