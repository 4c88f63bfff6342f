"""An experiment's plots: ours and the paper's side by side, fits with both intervals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rft_jax.report.experiments import plots_markdown, plots_section
from rft_jax.report.runs import RunRecord

FIT = {
    "slope": 0.02,
    "intercept": 0.5,
    "r2": 0.9,
    "n": 3,
    "by_seed": [0.02],
    "ci95_questions": [0.01, 0.03],
    "method": None,
}
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


def test_markdown_has_every_plot():
    text = "\n".join(plots_markdown(_run(_plot())))
    assert "### Accuracy against k" in text
    assert "| 16 | 66.0 % [40.0, 60.0] |" in text


def test_published_values_at_one_x_are_a_table_without_a_chart():
    lines = [{"label": name, "points": POINTS} for name in ("SFT", "RFT")]
    plot = _plot(x="votes", y="maj@k", kind="votes", paper="votes", series=lines, fit=False)
    body = plots_section([_run(plot)]).body
    assert "<h3>The paper:" not in body
    assert "RFT, 13B-2" in body and "SFT, 70B-2, greedy" in body


def test_a_histogram_is_bars():
    bars = [{"label": "SFT", "points": [{"x": 0, "value": 3}, {"x": 2, "value": 5}]}]
    plot = _plot(x="test_paths", y="problems", series=bars, baselines=[], paper="", fit=False)
    body = plots_section([_run(plot)]).body
    assert "SFT: 5 with 2" in body
    assert "| 2 | 5 |" in "\n".join(plots_markdown(_run(plot)))


def test_shares_are_a_divided_bar_per_condition_and_a_row_of_the_table():
    counts = {"accuracy": (30, 10), "plan errors": (10, 30)}
    series = [
        {
            "label": label,
            "points": [
                {"x": x, "label": name, "count": n, "value": n / 40}
                for x, name, n in zip((1, 2), ("SFT", "RFT"), of_each, strict=True)
            ],
        }
        for label, of_each in counts.items()
    ]
    plot = _plot(kind="shares", y="share", paper="", fit=False, series=series, baselines=[])
    body = plots_section([_run(plot)]).body
    assert body.count("<rect") == 4
    assert "<title>plan errors: 30 of 40 (75 %)</title>" in body
    text = "\n".join(plots_markdown(_run(plot)))
    assert "| SFT | 75.0 % | 25.0 % |" in text and "| RFT | 25.0 % | 75.0 % |" in text
