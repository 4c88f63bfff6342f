"""Which problems one of two models solves alone, counted by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from rft_jax.errors import UserError
from rft_jax.files.jsonl import write_json, write_rows
from rft_jax.report.report import ReportSettings, read_runs
from rft_jax.report.runs import RunRecord, StageRecord, read_run
from rft_jax.report.sides import read_pairs


def _evaluation(folder: Path, correct: Sequence[bool | None], **metrics: object) -> str:
    rows = [
        {"id": f"q{i}", "reference": "1", "answers": ["1" if one else "2"], "correct": [one]}
        for i, one in enumerate(correct)
    ]
    write_rows(folder / "predictions.jsonl", rows)
    metric = {"value": 0.5, "ci95": [0.4, 0.6], "n": len(rows)}
    write_json(folder / "metrics.json", {"k": 1, "accuracy": metric, **metrics})
    return str(folder)


def test_two_evaluations_alone_are_a_pair_and_undecided_answers_solve_nothing(
    tmp_path: Path,
) -> None:
    a = _evaluation(tmp_path / "rft", [True, True, False, False, None, True])
    b = _evaluation(tmp_path / "sft", [True, False, True, False, True])
    (pair,) = read_pairs(read_runs([a, b]))
    assert (pair.a.name, pair.b.name) == ("rft", "sft")
    assert (pair.a_alone, pair.b_alone) == (("q1",), ("q2", "q4"))
    assert (pair.both, pair.neither) == (1, 1)  # q5 was asked of one alone
    assert read_pairs(read_runs([a])) == []


def test_a_run_has_its_main_comparison_at_the_first_seed(make_run: Callable[..., Path]) -> None:
    run = read_run(str(make_run(seeds=(0, 1))))
    (pair,) = read_pairs([run])
    assert (pair.a.name, pair.b.name) == ("RFT, seed 0", "SFT, seed 0")
    total = len(pair.a_alone) + len(pair.b_alone) + pair.both + pair.neither
    assert total == 200
    by_model = {row["model"]: row["accuracy"]["value"] for row in run.rows if row["seed"] == 0}
    assert len(pair.a_alone) + pair.both == round(200 * by_model["rft"])
    assert len(pair.b_alone) + pair.both == round(200 * by_model["sft"])


def test_the_setting_names_two_conditions_of_a_run_or_two_evaluations(
    make_run: Callable[..., Path], tmp_path: Path
) -> None:
    run = read_run(str(make_run()))
    (pair,) = read_pairs([run], ("rft", "rho"))
    assert (pair.a.stage.arm, pair.b.stage.arm) == ("rft", "rho")
    answers = {"a": [True, False], "b": [False, True], "c": [True, True]}
    folders = [_evaluation(tmp_path / name, correct) for name, correct in answers.items()]
    runs = read_runs(folders)
    assert read_pairs(runs) == []  # which two of the three?
    (pair,) = read_pairs(runs, ("c", "b"))
    assert (pair.a.name, pair.b.name, pair.a_alone) == ("c", "b", ("q0",))
    with pytest.raises(UserError, match=r"report\.pair has 'x'; there are a, b, c"):
        read_pairs(runs, ("c", "x"))


@pytest.mark.parametrize("pair", [("rft",), ("rft", "rft"), ("rft", "sft", "rho")])
def test_a_pair_is_of_two_conditions(pair: tuple[str, ...]) -> None:
    with pytest.raises(UserError, match=r"report\.pair"):
        ReportSettings(pair=pair)


def test_a_pair_is_refused_on_a_page_without_samples() -> None:
    with pytest.raises(UserError, match=r"report\.pair = .*samples_per_verdict = 0 leaves all"):
        ReportSettings(pair=("rft", "sft"), samples_per_verdict=0)


def test_where_nothing_was_compared_the_best_condition_is_beside_the_first(
    make_run: Callable[..., Path],
) -> None:
    run = read_run(str(make_run()))
    rows = [row for row in run.rows if row["model"] != "sft"]
    labels = {arm: label for arm, label in run.labels.items() if arm != "sft"}
    (pair,) = read_pairs([replace(run, rows=tuple(rows), comparisons=(), labels=labels)])
    assert pair.b.stage.arm == rows[0]["model"]
    best = max(rows[1:], key=lambda row: row["accuracy"]["value"])
    assert pair.a.stage.arm == best["model"]


def test_a_comparison_without_greedy_answers_gives_way_to_the_next(
    make_run: Callable[..., Path],
) -> None:
    run = read_run(str(make_run()))
    others = [row for row in run.comparisons if "sft" not in (row["a"], row["b"])]
    (pair,) = read_pairs([replace(run, stages=_without_sft(run))])
    assert (pair.a.stage.arm, pair.b.stage.arm) == (others[0]["a"], others[0]["b"])


def _without_sft(run: RunRecord) -> tuple[StageRecord, ...]:
    return tuple(one for one in run.stages if one.arm != "sft")


def test_a_run_that_is_not_finished_has_its_pair_as_soon_as_both_are_evaluated(
    make_run: Callable[..., Path],
) -> None:
    folder = make_run()
    (folder / "results.json").unlink()
    assert len(read_pairs([read_run(str(folder))])) == 1
    (folder / "stages/rft-0-evaluate/metrics.json").unlink()
    assert read_pairs([read_run(str(folder))]) == []
