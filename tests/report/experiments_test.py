"""An experiment's figures: ours and the paper's side by side, fits with both intervals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rft_jax.report.costs import costs_section, costs_table, paper_costs_table
from rft_jax.report.experiments import figure_tables, figures_markdown, figures_section
from rft_jax.report.published import _FIGURES, published
from rft_jax.report.runs import Run

FIT = {"slope": 0.02, "intercept": 0.5, "r2": 0.9, "n": 3, "ci95": [0.01, 0.03]}
POINTS = [{"x": k, "value": 0.5 + k / 100, "ci95": [0.4, 0.6]} for k in (1, 4, 16)]


def _figure(**changes: Any) -> dict[str, Any]:
    figure = {
        "name": "accuracy",
        "title": "Accuracy against k",
        "x": "samples",
        "y": "accuracy",
        "x_label": "samples a problem",
        "y_label": "",
        "log_x": True,
        "fit": True,
        "paper": "rft_k",
        "series": [{"label": "RFT", "points": POINTS, "fit": FIT}],
        "baselines": [{"label": "SFT", "x": None, "value": 0.48, "ci95": [0.46, 0.5]}],
    }
    return figure | changes


def _run(*figures: dict[str, Any], **more: Any) -> Run:
    return Run("run", Path("run"), (), figures=figures, **more)


def test_the_chart_has_our_marks_the_fit_the_level_line_and_the_papers_lines_beside_it():
    body = figures_section([_run(_figure())]).body
    ours, theirs = body.split("<h3>The paper:")
    assert ours.count("<circle") == 3
    assert ours.count("stroke-dasharray") == 2  # the fit and SFT's level
    assert theirs.count("<circle") == 29  # 7 ks of 4 models, k = 100 of the fifth
    assert "7B-2" in theirs and "7B-2" not in ours


def test_a_figure_without_a_published_one_stands_alone():
    assert "The paper" not in figures_section([_run(_figure(paper=""))]).body


def test_the_tables_have_values_with_intervals_and_slopes_in_points():
    (_, ours), (_, theirs), (_, fits) = figure_tables(_figure())
    assert ours.header == ["samples a problem", "RFT"]
    assert [cell.text for cell in ours.rows[1]] == ["4", "54.0 %"]
    assert ours.rows[1][1].small == "[40.0, 60.0]"
    assert [cell.text for cell in ours.rows[3]] == ["SFT", "48.0 %"]
    assert [cell.text for cell in theirs.rows[0]] == [
        "1",
        "37.6 %",
        "43.4 %",
        "42.7 %",
        "52.1 %",
        "–",
    ]
    assert (fits.rows[0][1].text, fits.rows[0][1].small) == ("+2.00", "[+1.00, +3.00]")
    assert fits.rows[1][0].text == "the paper's 7B"


def test_markdown_has_every_figure():
    text = "\n".join(figures_markdown(_run(_figure())))
    assert "### Accuracy against k" in text
    assert "| 16 | 66.0 % [40.0, 60.0] |" in text


def test_a_histogram_is_bars():
    bars = [{"label": "SFT", "points": [{"x": 0, "value": 3}, {"x": 2, "value": 5}]}]
    figure = _figure(x="test_paths", y="problems", series=bars, baselines=[], paper="", fit=False)
    body = figures_section([_run(figure)]).body
    assert "SFT: 5 with 2" in body
    assert "| 2 | 5 |" in "\n".join(figures_markdown(_run(figure)))


@pytest.mark.parametrize("name", _FIGURES)
def test_every_published_figure_is_shares_or_counts_in_order_of_x(name: str):
    for line in published(name):
        xs = [point["x"] for point in line["points"]]
        assert xs == sorted(xs) and xs
        top = 20 if name == "paths" else 1
        assert all(0 <= point["value"] <= top for point in line["points"])


def test_published_figures_stand_where_the_paper_has_them():
    supervised = {line["label"]: line["points"] for line in published("supervised")}
    whole, least = supervised["7B, 3 epochs"][-1], supervised["70B-2, step-matched"][0]
    assert (whole["x"], whole["value"]) == (7473, pytest.approx(0.359))
    assert (least["x"], least["value"]) == (7473 / 32, pytest.approx(0.274))
    union = {line["label"]: line["points"] for line in published("union")}
    assert union["7B"] == [
        {"x": x, "value": pytest.approx(v)}
        for x, v in ((0, 0.359), (1, 0.417), (4, 0.493), (5, 0.491))
    ]
    loss = {line["label"]: line["points"] for line in published("loss")}
    assert loss["SFT"][0] == {"x": 1.62, "value": pytest.approx(0.546)}


def test_costs_add_up_by_command_and_the_papers_table_has_its_ratio():
    named = {"arm": "sft", "tokens": 10, "paper_flops": 1e6}
    stages = [
        {**named, "stage": "sft-0 train", "command": "train", "flops": 3e6, "seconds": 5.0},
        {**named, "stage": "rft-0 train", "command": "train", "flops": 5e6, "seconds": None},
        {**named, "stage": "sft-0 sample", "command": "sample", "flops": 1e6, "seconds": 2.0},
    ]
    paper = [{"model": "7B", "sft": 3.4e17, "rft_inference": 1.4e18, "rft_u33b": 3.0e18}]
    run = _run(costs={"stages": stages, "paper": paper})
    rows = [[cell.text for cell in row] for row in costs_table(run).rows]
    assert rows[0] == ["train", "2", "20", "8.00e+06", "2.00e+06", "5"]
    assert rows[-1] == ["all", "3", "30", "9.00e+06", "3.00e+06", "7"]
    (row,) = paper_costs_table(paper).rows
    assert (row[1].text, row[1].small) == ("3.4e+17", "(1.7e+17, × 2.00)")
    assert "The paper&#x27;s table of costs" in costs_section([run]).body
