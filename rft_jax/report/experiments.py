"""The section with an experiment's plots: ours, the paper's beside them, tables and fits."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rft_jax.report import axes, svg
from rft_jax.report.bars import histogram, stacked_bars
from rft_jax.report.html import Section, card, charts, folded, spaced
from rft_jax.report.plot_tables import (
    interval_note,
    is_share,
    paper_baselines,
    paper_lines,
    plot_tables,
    shown_interval,
)
from rft_jax.report.published import SOURCE
from rft_jax.report.runs import RunRecord

Plot = Mapping[str, Any]  # of results.json
Line = Mapping[str, Any]

_PAPER_CAPTION = f"On GSM8K, LLaMA models, one training run each ({SOURCE})."


def plots_section(runs: Sequence[RunRecord]) -> Section:
    """Every plot of every experiment: ours, the published one, and both as a folded table."""
    parts = []
    for run in runs:
        name = f"{run.name}: " if len(runs) > 1 else ""
        for plot in run.plots:
            cards = [card(plot_chart(plot), f"{name}{plot['title']}", _caption(plot))]
            theirs = paper_lines(plot)
            if len({point["x"] for line in theirs for point in line["points"]}) > 1:
                chart = _chart(plot, theirs, paper_baselines(plot))
                cards.append(card(chart, f"The paper: {plot['title'].lower()}", _PAPER_CAPTION))
            tables = "".join(table.html() for _, table in plot_tables(plot))
            table = card(folded("As a table", tables))
            parts.append(charts(cards) + spaced(table))
    return Section("experiment", "The experiment", "".join(parts))


def plot_chart(plot: Plot) -> str:
    """Our lines with their intervals, dashed fits and baselines."""
    return _chart(plot, plot["series"], plot["baselines"])


def _chart(plot: Plot, lines: Sequence[Line], baselines: Sequence[Line]) -> str:
    lines = [line for line in lines if line["points"]]
    if not lines:
        return ""
    # Plots of earlier versions have no kind.
    if plot.get("kind") == "histogram" or plot["x"] == "test_paths":
        bars = [
            (line["label"], {int(p["x"]): int(p["value"]) for p in line["points"]}, i)
            for i, line in enumerate(lines)
        ]
        return histogram(bars, plot["x_label"], plot["y_label"])
    if plot.get("kind") == "shares":
        return _shares(lines)
    series = [
        svg.Series(
            line["label"],
            [_point(p) for p in line["points"]],
            line.get("colour", i),
            line.get("dashed", False),
        )
        for i, line in enumerate(lines)
    ]
    if len(lines) <= svg.COLOURS:  # more dashed lines cannot be told apart
        series += _fitted(plot, lines)
    xs = [p["x"] for line in lines for p in line["points"]]
    series += [
        svg.Series(
            line["label"],
            [svg.Point(x, line["value"]) for x in (min(xs), max(xs))],
            len(lines) + i,
            dashed=True,
            marks=False,
        )
        for i, line in enumerate(baselines)
    ]
    share = is_share(plot)
    y_format = axes.percent if share else axes.plain
    y_label = plot["y_label"] or ("accuracy" if share else plot["y"])
    return svg.line_chart(series, plot["x_label"], y_label, y_format, log_x=plot["log_x"])


def _shares(lines: Sequence[Line]) -> str:
    """A bar per condition, divided by the lines."""
    bars: dict[str, dict[str, int]] = {}
    for line in lines:
        for point in line["points"]:
            bars.setdefault(point["label"], {})[line["label"]] = point["count"]
    colours = {line["label"]: i for i, line in enumerate(lines)}
    classes = {label: f"c{i}" for label, i in colours.items()}
    return stacked_bars(bars, classes) + svg.legend(colours)


def _fitted(plot: Plot, lines: Sequence[Line]) -> Iterator[svg.Series]:
    for i, line in enumerate(lines):
        fit, colour = line.get("fit"), line.get("colour", i)
        if fit:
            ends = sorted({p["x"] for p in line["points"]})
            points = [svg.Point(x, _at(fit, x, plot["log_x"])) for x in (ends[0], ends[-1])]
            yield svg.Series("", points, colour, dashed=True, marks=False)


def _at(fit: Mapping[str, Any], x: float, log_x: bool) -> float:
    return fit["intercept"] + fit["slope"] * (math.log2(x) if log_x else x)


def _point(point: Mapping[str, Any]) -> svg.Point:
    return svg.Point(point["x"], point["value"], *(shown_interval(point) or ()))


def _caption(plot: Plot) -> str:
    parts = [interval_note(plot)] * is_share(plot)
    if plot["fit"]:
        parts.append("Dashed: least squares, the mean of a line per seed.")
    return " ".join(filter(None, parts))


def plots_markdown(run: RunRecord) -> list[str]:
    """The tables of all plots, for a paper or a README."""
    parts = []
    for plot in run.plots:
        parts.append(f"### {plot['title']}")
        for title, table in plot_tables(plot):
            parts += [f"{title}:"] * bool(title) + [table.markdown()]
        parts += [interval_note(plot)] * is_share(plot)
    return parts
