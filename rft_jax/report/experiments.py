"""The section with an experiment's plots: ours, the paper's beside them, tables and fits."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rft_jax.report import axes, svg
from rft_jax.report.html import Section, card, charts, folded
from rft_jax.report.published import SOURCE, published
from rft_jax.report.runs import RunRecord
from rft_jax.report.tables import Cell, Table, percentage

Plot = Mapping[str, Any]  # of results.json
Line = Mapping[str, Any]


def plots_section(runs: Sequence[RunRecord]) -> Section:
    """Every plot of every experiment: ours, the published one, and both as a folded table."""
    parts = []
    for run in runs:
        name = f"{run.name}: " if len(runs) > 1 else ""
        for plot in run.plots:
            cards = [card(plot_chart(plot), f"{name}{plot['title']}", _caption(plot))]
            theirs = paper_lines(plot)
            if theirs:
                chart = _chart(plot, theirs, ())
                cards.append(card(chart, f"The paper: {plot['title'].lower()}", _paper_caption()))
            tables = "".join(table.html() for _, table in plot_tables(plot))
            table = card(folded("As a table", tables))
            parts.append(f'{charts(cards)}<div class="spaced">{table}</div>')
    return Section("experiment", "The experiment", "".join(parts))


def plot_chart(plot: Plot) -> str:
    """Our lines with their intervals, dashed fits and baselines."""
    return _chart(plot, plot["series"], plot["baselines"])


def paper_lines(plot: Plot) -> list[dict[str, Any]]:
    """The published lines of a plot; none where the paper has no such plot."""
    if not plot["paper"]:
        return []
    return published(plot["paper"], plot["log_x"], plot["fit"])


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
        return svg.histogram(bars, plot["x_label"], plot["y_label"])
    series = [
        svg.Series(line["label"], [_point(p) for p in line["points"]], i)
        for i, line in enumerate(lines)
    ]
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
    is_share = _is_share(plot)
    y_format = axes.percent if is_share else axes.plain
    y_label = plot["y_label"] or ("accuracy" if is_share else plot["y"])
    return svg.line_chart(series, plot["x_label"], y_label, y_format, log_x=plot["log_x"])


def _fitted(plot: Plot, lines: Sequence[Line]) -> Iterator[svg.Series]:
    for colour, line in enumerate(lines):
        fit = line.get("fit")
        if fit:
            ends = sorted({p["x"] for p in line["points"]})
            points = [svg.Point(x, _at(fit, x, plot["log_x"])) for x in (ends[0], ends[-1])]
            yield svg.Series("", points, colour, dashed=True, marks=False)


def _at(fit: Mapping[str, Any], x: float, log_x: bool) -> float:
    return fit["intercept"] + fit["slope"] * (math.log2(x) if log_x else x)


def _point(point: Mapping[str, Any]) -> svg.Point:
    return svg.Point(point["x"], point["value"], *point.get("ci95", ()))


def _is_share(plot: Plot) -> bool:
    return plot["y"] in ("accuracy", "maj@k", "pass@k")


def _caption(plot: Plot) -> str:
    parts = ["Means over seeds; bars: 95 % intervals over questions."] * _is_share(plot)
    if plot["fit"]:
        parts.append("Dashed: least squares through all training runs.")
    return " ".join(parts)


def _paper_caption() -> str:
    return f"On GSM8K, LLaMA models, one training run each ({SOURCE})."


def plot_tables(plot: Plot) -> list[tuple[str, Table]]:
    """(title, table): our points, the published ones, and the fits of both."""
    theirs = paper_lines(plot)
    tables = [("", _points_table(plot, plot["series"], plot["baselines"]))]
    if theirs:
        tables.append((f"The paper ({SOURCE})", _points_table(plot, theirs, ())))
    fits = [(line["label"], line["fit"]) for line in plot["series"] if line.get("fit")]
    fits += [(f"the paper's {line['label']}", line["fit"]) for line in theirs if "fit" in line]
    if fits:
        tables.append(("Fits", _fits_table(plot, fits)))
    return tables


def _points_table(plot: Plot, lines: Sequence[Line], baselines: Sequence[Line]) -> Table:
    """A row per x, a column per line."""
    lines = [line for line in lines if line["points"]]
    xs = sorted({point["x"] for line in lines for point in line["points"]})
    by_x = [{point["x"]: point for point in line["points"]} for line in lines]
    cells = [[Cell(axes.plain(x)), *(_cell(plot, at.get(x)) for at in by_x)] for x in xs]
    for line in baselines:
        cells.append([Cell(line["label"]), _cell(plot, line)])
        cells[-1] += [Cell("")] * (len(lines) - 1)
    return Table([plot["x_label"], *(line["label"] for line in lines)], cells)


def _cell(plot: Plot, point: Mapping[str, Any] | None) -> Cell:
    if point is None:
        return Cell("–")
    if not _is_share(plot):
        return Cell(f"{point['value']:,.2f}".removesuffix(".00"))
    return percentage(point) if "ci95" in point else Cell(f"{100 * point['value']:.1f} %")


def _fits_table(plot: Plot, fits: Sequence[tuple[str, Mapping[str, Any]]]) -> Table:
    """Slopes with both intervals, in percentage points for accuracies."""
    scale = 100 if _is_share(plot) else 1
    per = "doubling" if plot["log_x"] else f"unit of {plot['x_label']}"
    unit = "Percentage points" if scale == 100 else "Slope"
    cells = [
        [
            Cell(label),
            Cell(f"{scale * fit['slope']:+.2f}", _interval(fit["ci95"], scale)),
            Cell(_interval(fit.get("ci95_questions"), scale) or "–"),
            Cell(f"{fit['r2']:.2f}"),
            Cell(str(fit["n"])),
        ]
        for label, fit in fits
    ]
    header = ["Line", f"{unit} per {per}", "95 % interval over questions", "R²", "Training runs"]
    return Table(header, cells)


def _interval(bounds: Sequence[float] | None, scale: float) -> str:
    if not bounds:
        return ""
    return f"[{scale * bounds[0]:+.2f}, {scale * bounds[1]:+.2f}]"


def plots_markdown(run: RunRecord) -> list[str]:
    """The tables of all plots, for a paper or a README."""
    parts = []
    for plot in run.plots:
        parts.append(f"### {plot['title']}")
        for title, table in plot_tables(plot):
            parts += [f"{title}:"] * bool(title) + [table.markdown()]
    return parts
