"""Accuracy by difficulty: bins that have problems enough, with their numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rft_jax.files.jsonl import read_rows, write_rows
from rft_jax.report import svg
from rft_jax.report.bins import Bin
from rft_jax.report.difficulty import difficulty_cards, points_by_bin
from rft_jax.report.overview import colours
from rft_jax.report.runs import read_run

MakeRun = Callable[..., Path]


def test_a_bins_accuracy_is_the_mean_of_its_problems() -> None:
    rows = [{"steps": steps, "share": share} for steps, share in ((2, 0.0), (2, 1.0), (5, 1.0))]
    points = points_by_bin(rows, "steps", [Bin(2, 2), Bin(3, 4), Bin(5, 6)])
    assert [(p.x, p.y) for p in points] == [(0, 0.5), (2, 1.0)]
    assert isinstance(points[0], svg.Point) and points[0].low is not None


def _cards(folder: Path) -> list[str]:
    run = read_run(str(folder))
    return difficulty_cards([run], colours([run]))


def test_the_axis_says_how_many_problems_each_bin_has(make_run: MakeRun) -> None:
    run = make_run(seeds=(0, 1))
    for path in run.glob("stages/*/predictions.jsonl"):
        rows = [row for _, row in read_rows(path)]
        steps = [2] * 100 + [3] * 60 + [4] * 35 + [5] * 4 + [6]
        write_rows(path, [{**row, "steps": n} for row, n in zip(rows, steps, strict=True)])
    by_steps, by_length = _cards(run)
    for label in ("2", "3", "4–6", "n 100", "n 60", "n 40"):
        assert f">{label}</text>" in by_steps
    assert by_steps.count("<circle") == 15  # 5 arms in 3 bins
    assert by_length.count(">n ") == 4 and "fewer than 30 are merged" in by_length


def test_arms_of_other_problems_have_a_range(make_run: MakeRun) -> None:
    run = make_run()
    (path,) = run.glob("stages/rho-0-evaluate/predictions.jsonl")
    rows = [row for _, row in read_rows(path)]
    write_rows(path, rows[:150])
    assert any("–" in card and ">n " in card for card in _cards(run))


@pytest.mark.parametrize("tests", [20])
def test_too_few_problems_for_two_bins_have_no_chart(make_run: MakeRun, tests: int) -> None:
    by_steps = [card for card in _cards(make_run(tests=tests)) if "number of steps" in card]
    assert by_steps == []
