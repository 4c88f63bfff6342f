"""Which problems one of two models solves alone, counted by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from rft_jax.files.jsonl import write_json, write_rows
from rft_jax.report.report import read_runs
from rft_jax.report.runs import read_run
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


def test_a_run_that_is_not_finished_has_its_pair_as_soon_as_both_are_evaluated(
    make_run: Callable[..., Path],
) -> None:
    folder = make_run()
    (folder / "results.json").unlink()
    assert len(read_pairs([read_run(str(folder))])) == 1
    (folder / "stages/rft-0-evaluate/metrics.json").unlink()
    assert read_pairs([read_run(str(folder))]) == []
