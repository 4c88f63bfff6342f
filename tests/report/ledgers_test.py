from __future__ import annotations

import random
from pathlib import Path

from rft_jax.files.jsonl import write_rows
from rft_jax.report.ledgers import draw_rows


def _rows(n: int) -> list[dict]:
    return [
        {
            "id": f"q{i // 4}",
            "sample": i % 4,
            "model": "m",
            "verdict": verdict,
            "key": "",
            "kept": False,
        }
        for i in range(n)
        for verdict in ["correct" if i % 3 else "no_answer"]
    ]


def test_rows_are_drawn_by_seed_and_not_by_their_order(tmp_path: Path) -> None:
    rows = _rows(400)
    write_rows(tmp_path / "a/ledger.jsonl", rows)
    random.Random(0).shuffle(rows)
    write_rows(tmp_path / "b/ledger.jsonl", rows)
    first = draw_rows(tmp_path / "a", 10, seed=1)
    assert first == draw_rows(tmp_path / "b", 10, seed=1)
    assert first != draw_rows(tmp_path / "a", 10, seed=2)
    assert {verdict: len(drawn) for verdict, drawn in first.items()} == {
        "correct": 10,
        "no_answer": 10,
    }


def test_a_smaller_draw_is_the_beginning_of_a_larger_one(tmp_path: Path) -> None:
    write_rows(tmp_path / "ledger.jsonl", _rows(200))
    few, many = (draw_rows(tmp_path, n, seed=0)["correct"] for n in (5, 50))
    assert many[:5] == few


def test_every_sample_is_as_likely_to_be_drawn(tmp_path: Path) -> None:
    write_rows(tmp_path / "ledger.jsonl", _rows(40))
    counts: dict[tuple[str, int], int] = {}
    for seed in range(400):
        for row in draw_rows(tmp_path, 2, seed)["no_answer"]:
            counts[row.id, row.sample] = counts.get((row.id, row.sample), 0) + 1
    assert len(counts) == 14
    assert all(30 < count < 90 for count in counts.values())  # 800 draws / 14 = 57 expected


def test_none_are_drawn_when_none_are_asked_for(tmp_path: Path) -> None:
    assert draw_rows(tmp_path, 0, seed=0) == {}
