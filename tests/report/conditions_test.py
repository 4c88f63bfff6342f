"""Tables over trainings: every interval stands under what it is about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rft_jax.report.conditions import (
    BOTH,
    QUESTIONS,
    TRAININGS,
    bracketed,
    comparison_note,
    comparison_table,
    conditions_table,
)
from rft_jax.report.runs import RunRecord

LABELS = {"rho": "Pretrained (ρ)", "sft": "SFT", "rft": "RFT"}
MODEL = {
    "a": "rft",
    "b": "sft",
    "difference": 0.094,
    "ci95": [0.05, 0.13],
    "p_value": 1e-9,
    "p_holm": 1e-8,
    "by_seed": [0.094],
    "method": None,
}
METHOD = {
    "by_seed": [0.1, 0.088],
    "method": {"trainings": 2, "ci95": [0.04, 0.14], "ci95_t": [0.018, 0.17], "p_value": 0.041},
    "p_holm": 0.082,
}


def _run(*comparisons: dict[str, Any], **more: Any) -> RunRecord:
    return RunRecord("a", Path("a"), (), comparisons=comparisons, labels=LABELS, **more)


def test_one_training_shows_the_interval_over_questions_and_nothing_of_the_method() -> None:
    run = _run(MODEL)
    table = comparison_table([run])
    assert table.header == ["Compared", "Difference, percentage points", QUESTIONS, "p"]
    assert [c.text for c in table.rows[0]] == ["RFT – SFT", "+9.4", "[+5.0, +13.0]", "< 0.001"]
    note = comparison_note([run])
    assert note.startswith("One training each") and "not about the methods" in note
    assert "Holm" not in note and "p is about the method" not in note


def test_several_trainings_show_the_methods_intervals_and_its_p_value() -> None:
    run = _run({**MODEL, **METHOD}, {**MODEL, **METHOD})
    table = comparison_table([run])
    assert table.header[2:5] == [BOTH, TRAININGS, QUESTIONS]
    assert [cell.text for cell in table.rows[0]] == [
        "RFT – SFT",
        "+9.4",
        "[+4.0, +14.0]",
        "[+1.8, +17.0]",
        "[+5.0, +13.0]",
        "0.041",
        "0.082",
        "+10.0, +8.8",
    ]
    assert "p is about the method" in comparison_note([run])


def test_a_page_with_both_kinds_explains_both_and_leaves_cells_open() -> None:
    run = _run(MODEL, {**MODEL, **METHOD})
    cells = [cell.text for cell in comparison_table([run]).rows[0]]
    assert cells[2:5] == ["–", "–", "[+5.0, +13.0]"]
    note = comparison_note([run])
    assert "One training each" in note and "p is about the method" in note
    assert "2 comparisons of this page" in note


def _row(model: str, seed: int, value: float, **counts: float) -> dict[str, Any]:
    accuracy = {"value": value, "ci95": [value - 0.02, value + 0.02], "n": 100}
    return {"model": model, "seed": seed, "accuracy": accuracy, **counts}


def test_seeds_become_columns_beside_their_mean_and_its_intervals() -> None:
    method = {"trainings": 2, "ci95": [0.48, 0.62], "ci95_t": [0.0, 1.0]}
    conditions = [
        {"model": "rft", "value": 0.55, "ci95": [0.52, 0.58], "n": 100, "method": method},
        {"model": "rho", "value": 0.2, "ci95": [0.1, 0.3], "n": 100, "method": None},
    ]
    rows = [
        _row("rft", 0, 0.5, train_rows=3000),
        _row("rft", 1, 0.6, train_rows=2001),
        _row("rho", 0, 0.2, train_rows=0),
    ]
    table = conditions_table(_run(rows=tuple(rows), conditions=tuple(conditions)))
    assert table.header == [
        *("Model", "Accuracy, mean", BOTH, TRAININGS, QUESTIONS),
        *("Seed 0", "Seed 1", "Training rows"),
    ]
    assert [cell.text for cell in table.rows[0]] == [
        *("RFT", "55.0 %", "[48.0, 62.0]", "[0.0, 100.0]", "[52.0, 58.0]"),
        *("50.0 %", "60.0 %", "2,500"),
    ]
    assert [cell.text for cell in table.rows[1]][2:] == [
        *("–", "–", "[10.0, 30.0]", "20.0 %", "–", "0")
    ]


def test_intervals_are_percentage_points_in_brackets() -> None:
    assert bracketed([0.0142, 0.1407], "{:+.1f}") == "[+1.4, +14.1]"
    assert bracketed(None, "{:+.1f}") == "–"


def test_shares_of_responses_are_means_over_seeds_where_they_are_asked_for() -> None:
    metric = {"value": 0.5, "ci95": [0.4, 0.6], "n": 100}
    rows = [
        {"model": "sft", "seed": seed, "accuracy": metric, "no_answer": share, "truncated": 0.0}
        for seed, share in ((0, 0.1), (1, 0.3))
    ]
    run = _run(rows=tuple(rows), conditions=({"model": "sft", "value": 0.5, "ci95": [0.4, 0.6]},))
    table = conditions_table(run, reading=True)
    assert table.header[-2:] == ["No answer", "Truncated"]
    assert [cell.text for cell in table.rows[0][-2:]] == ["20.0 %", "0.0 %"]
    assert "No answer" not in conditions_table(run).header
