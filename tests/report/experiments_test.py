"""An experiment's plots: ours and the paper's side by side, fits with both intervals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rft_jax.report.experiments import plot_tables, plots_markdown, plots_section
from rft_jax.report.runs import RunRecord

FIT = {"slope": 0.02, "intercept": 0.5, "r2": 0.9, "n": 3, "ci95": [0.01, 0.03]}
POINTS = [{"x": k, "value": 0.5 + k / 100, "ci95": [0.4, 0.6]} for k in (1, 4, 16)]


def _plot(**changes: Any) -> dict[str, Any]:
    plot = {
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
    return plot | changes


def _run(*plots: dict[str, Any], **more: Any) -> RunRecord:
    return RunRecord("run", Path("run"), (), plots=plots, **more)


def test_the_chart_has_our_marks_the_fit_the_baseline_and_the_papers_lines_beside_it():
    body = plots_section([_run(_plot())]).body
    ours, theirs = body.split("<h3>The paper:")
    assert ours.count("<circle") == 3
    assert ours.count("stroke-dasharray") == 2  # the fit and SFT's baseline
    assert theirs.count("<circle") == 29  # 7 ks of 4 models, k = 100 of the fifth
    assert "7B-2" in theirs and "7B-2" not in ours


def test_a_plot_without_a_published_one_is_alone():
    assert "The paper" not in plots_section([_run(_plot(paper=""))]).body


def test_the_tables_have_values_with_intervals_and_slopes_in_percentage_points():
    (_, ours), (_, theirs), (_, fits) = plot_tables(_plot())
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


def test_markdown_has_every_plot():
    text = "\n".join(plots_markdown(_run(_plot())))
    assert "### Accuracy against k" in text
    assert "| 16 | 66.0 % [40.0, 60.0] |" in text


def test_a_histogram_is_bars():
    bars = [{"label": "SFT", "points": [{"x": 0, "value": 3}, {"x": 2, "value": 5}]}]
    plot = _plot(x="test_paths", y="problems", series=bars, baselines=[], paper="", fit=False)
    body = plots_section([_run(plot)]).body
    assert "SFT: 5 with 2" in body
    assert "| 2 | 5 |" in "\n".join(plots_markdown(_run(plot)))
