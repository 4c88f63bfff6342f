from __future__ import annotations

from pathlib import Path

from rft_jax.report.overview import colours, is_repeated, lead, results_section
from rft_jax.report.runs import RunRecord, StageRecord


def _run(*rows: dict[str, object], **more: object) -> RunRecord:
    return RunRecord("run", Path("run"), (), rows, **more)  # type: ignore[arg-type]


def test_an_arm_has_one_colour_over_all_runs() -> None:
    stage = StageRecord("x", Path("x"), "train", "extra", 0)
    runs = [_run({"model": "sft"}), RunRecord("b", Path("b"), (stage,), ({"model": "rft"},))]
    assert colours(runs) == {"sft": 0, "rft": 1, "extra": 2}


def test_a_run_is_repeated_if_a_model_has_several_seeds_and_the_run_its_means() -> None:
    rows = [{"model": "sft", "seed": seed} for seed in (0, 1)]
    assert is_repeated(_run(*rows, conditions=({"model": "sft"},)))
    assert not is_repeated(_run(rows[0], conditions=({"model": "sft"},)))
    assert not is_repeated(_run(*rows))  # a file of an earlier version


def test_notes_stand_once_under_the_results_and_are_escaped() -> None:
    text = lead([_run(notes=("<b>",)), _run(notes=("<b>",))])
    assert text.count("&lt;b&gt;") == 1 and "<b>" not in text.replace("<b>run.</b>", "")


def test_means_over_seeds_name_their_run_where_there_are_several() -> None:
    metric = {"value": 0.5, "ci95": [0.4, 0.6], "n": 9}
    rows = [{"model": "sft", "seed": seed, "accuracy": metric} for seed in (0, 1)]
    run = _run(*rows, conditions=({"model": "sft", "value": 0.5, "ci95": [0.4, 0.6]},))
    assert "<h3>run</h3>" not in results_section([run]).body
    assert results_section([run, run]).body.count("<h3>run</h3>") == 2
