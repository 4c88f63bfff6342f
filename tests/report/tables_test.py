from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rft_jax.evaluation.compare import p_text
from rft_jax.report.runs import RunRecord
from rft_jax.report.tables import Cell, Table, percentage, results_table

LABELS = {"rho": "Pretrained (ρ)", "sft": "SFT", "rft": "RFT"}


def _metric(value: float) -> dict[str, Any]:
    return {"value": value, "ci95": [value - 0.02, value + 0.03], "n": 100}


def _run(rows: list[dict[str, Any]], name: str = "a", **more: Any) -> RunRecord:
    return RunRecord(name, Path(name), (), tuple(rows), labels=LABELS, **more)


def test_metrics_are_percentages_with_their_interval() -> None:
    assert percentage(_metric(0.5)) == Cell("50.0 %", "[48.0, 53.0]")
    assert percentage(None) == Cell("–")


@pytest.mark.parametrize(
    ("value", "text"), [(0.0004, "< 0.001"), (0.0012, "0.001"), (0.5, "0.500"), (1.0, "1.000")]
)
def test_p_values_have_three_places(value: float, text: str) -> None:
    assert p_text(value) == text


def test_columns_that_no_row_fills_are_left_out() -> None:
    rows = [
        {"model": "sft", "seed": 0, "train_rows": 1000, "accuracy": _metric(0.5), "maj@k": None},
        {"model": "rft", "seed": 0, "train_rows": 3500, "accuracy": _metric(0.6), "maj@k": None},
    ]
    table = results_table([_run(rows)])
    assert table.header == ["Model", "Seed", "Accuracy", "Training rows"]
    assert [cell.text for cell in table.rows[1]] == ["RFT", "0", "60.0 %", "3,500"]


def test_k_stands_in_the_heading_or_in_a_column_where_it_differs() -> None:
    rows = [{"model": "sft", "maj@k": _metric(0.5), "k": 8}]
    assert results_table([_run(rows)]).header == ["Model", "maj@8"]
    rows.append({"model": "rft", "maj@k": _metric(0.5), "k": 16})
    assert results_table([_run(rows)]).header == ["Model", "k", "maj@k"]


def test_the_seeds_of_a_model_stand_together() -> None:
    rows = [
        {"model": model, "seed": seed, "accuracy": _metric(0.5)}
        for seed in (0, 1)
        for model in ("sft", "rft")
    ]
    table = results_table([_run(rows)])
    assert [row[0].text for row in table.rows] == ["SFT", "SFT", "RFT", "RFT"]
    assert table.groups == {0, 2}
    assert table.html().count('class="group"') == 1


def test_several_runs_are_named() -> None:
    rows = [{"model": "sft", "accuracy": _metric(0.5)}]
    table = results_table([_run(rows, "one"), _run(rows, "two")])
    assert table.header == ["Model", "Run", "Accuracy"]
    assert [row[1].text for row in table.rows] == ["one", "two"]


def test_new_paths_stand_beside_those_with_copies_of_the_reference() -> None:
    counts = {"new_paths_per_problem": 1.702, "distinct_paths_per_problem": 2.028}
    table = results_table([_run([{"model": "rft", "accuracy": _metric(0.5), **counts}])])
    assert table.header[2:] == ["New paths / problem", "With copies of the reference"]
    assert [cell.text for cell in table.rows[0][2:]] == ["1.70", "2.03"]


def test_markdown_keeps_its_columns_whatever_the_cells_hold() -> None:
    table = Table(["Model", "n"], [[Cell("a|b\nc"), Cell("1", "[0, 2]")]])
    assert table.markdown() == "| Model | n |\n|---|---:|\n| a\\|b c | 1 [0, 2] |\n"


def test_html_cells_are_escaped() -> None:
    html = Table(["<i>"], [[Cell("<b>", "<u>")]]).html()
    assert "&lt;i&gt;" in html and "&lt;b&gt;" in html and "&lt;u&gt;" in html
    assert "<b>" not in html


def test_shares_of_unread_and_truncated_responses_are_shown_where_asked_for() -> None:
    row = {"model": "rft", "accuracy": _metric(0.5), "no_answer": 0.125, "truncated": 0.0}
    assert results_table([_run([row])]).header == ["Model", "Accuracy"]
    table = results_table([_run([row])], reading=True)
    assert table.header == ["Model", "Accuracy", "No answer", "Truncated"]
    assert [cell.text for cell in table.rows[0][2:]] == ["12.5 %", "0.0 %"]


def test_cells_of_a_wide_table_name_their_column_and_those_without_a_value_are_marked() -> None:
    cells = [Cell("SFT"), Cell("1"), Cell("–"), Cell("3", "[2, 4]")]
    html = Table(["Model", "Seed", "maj@k", "<b>"], [cells]).html()
    assert '<table class="wide">' in html
    assert (
        '<tr><td>SFT</td><td data-title="Seed">1</td><td class="none" data-title="maj@k">–</td>'
        '<td data-title="&lt;b&gt;">3 <small>[2, 4]</small></td></tr>'
    ) in html
    narrow = Table(["Model", "Seed"], [cells[:2]]).html()
    assert "<tr><td>SFT</td><td>1</td></tr>" in narrow and "wide" not in narrow
