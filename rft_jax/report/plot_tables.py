"""The tables of an experiment's plot: our points, the published ones, agreement, and fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rft_jax.report import axes
from rft_jax.report.agreement import agreement_tables
from rft_jax.report.conditions import METHOD, QUESTIONS, bracketed
from rft_jax.report.published import SOURCE, published, published_baselines
from rft_jax.report.tables import Cell, Table

Plot = Mapping[str, Any]  # of results.json
Line = Mapping[str, Any]

_MOST_COLUMNS = 8


def is_share(plot: Plot) -> bool:
    """Whether the values are shares of correct answers."""
    return plot["y"] in ("accuracy", "maj@k", "pass@k")


def paper_lines(plot: Plot) -> list[dict[str, Any]]:
    """The published lines of a plot; none where the paper has no such plot."""
    if not plot["paper"]:
        return []
    return published(plot["paper"], plot["log_x"], plot["fit"])


def paper_baselines(plot: Plot) -> list[dict[str, Any]]:
    """The published values without an x."""
    return published_baselines(plot["paper"]) if plot["paper"] else []


def shown_interval(point: Mapping[str, Any]) -> Sequence[float] | None:
    """The interval of the method, over trainings (and questions where they are known); with one
    training the interval over questions."""
    method = point.get("method") or {}
    return method.get("ci95") or method.get("ci95_t") or point.get("ci95")


def interval_note(plot: Plot) -> str:
    """What the intervals of our points are about."""
    points = [point for line in plot["series"] for point in line["points"]]
    kinds = {(point.get("method") or {}).get("ci95") is not None for point in points}
    if any(point.get("method") for point in points):
        over = "trainings and questions" if kinds == {True} else "trainings (Student's t)"
        return f"Means over seeds; 95 % intervals over {over}, about the method."
    several = any(len(point.get("by_seed", ())) > 1 for point in points)
    means = "Means over seeds" if several else "One training of each"
    return f"{means}; 95 % intervals over questions, about these models."


def plot_tables(plot: Plot) -> list[tuple[str, Table]]:
    """(title, table): our points, the published ones, how many agree, and the fits of both."""
    theirs = paper_lines(plot)
    tables = [("", _points_table(plot, plot["series"], plot["baselines"]))]
    if theirs:
        table = _points_table(plot, theirs, paper_baselines(plot))
        tables.append((f"The paper ({SOURCE})", table))
        tables += agreement_tables(plot, theirs) if is_share(plot) else []
    fits = [(line["label"], line["fit"]) for line in plot["series"] if line.get("fit")]
    fits += [(f"the paper's {line['label']}", line["fit"]) for line in theirs if "fit" in line]
    if fits:
        tables.append(("Fits", _fits_table(plot, fits)))
    return tables


def _points_table(plot: Plot, lines: Sequence[Line], baselines: Sequence[Line]) -> Table:
    """A row per x and a column per line; many lines are rows."""
    lines = [line for line in lines if line["points"]]
    xs = sorted({point["x"] for line in lines for point in line["points"]})
    by_x = [{point["x"]: point for point in line["points"]} for line in lines]
    named = {
        point["x"]: point["label"] for line in lines for point in line["points"] if "label" in point
    }
    columns, names = [line["label"] for line in lines], [named.get(x, axes.plain(x)) for x in xs]
    rows = [[_cell(plot, at.get(x)) for at in by_x] for x in xs]
    if len(lines) > _MOST_COLUMNS:
        columns, names, rows = names, columns, list(map(list, zip(*rows, strict=True)))
    cells = [[Cell(name), *row] for name, row in zip(names, rows, strict=True)]
    more = [Cell("")] * (len(columns) - 1)
    cells += [[Cell(line["label"]), _cell(plot, line), *more] for line in baselines]
    return Table([plot["x_label"], *columns], cells)


def _cell(plot: Plot, point: Mapping[str, Any] | None) -> Cell:
    if point is None:
        return Cell("–")
    if plot.get("kind") == "shares":
        return Cell(f"{100 * point['value']:.1f} %")
    if not is_share(plot):
        return Cell(f"{point['value']:,.2f}".removesuffix(".00"))
    interval = shown_interval(point)
    return Cell(f"{100 * point['value']:.1f} %", bracketed(interval, "{:.1f}") if interval else "")


def _fits_table(plot: Plot, fits: Sequence[tuple[str, Mapping[str, Any]]]) -> Table:
    """Slopes with their intervals, in percentage points for accuracies."""
    scale = 100 if is_share(plot) else 1
    per = "doubling" if plot["log_x"] else f"unit of {plot['x_label']}"
    unit = "Percentage points" if scale == 100 else "Slope"
    cells = []
    for label, fit in fits:
        method = fit.get("method") or {}
        bounds = method.get("ci95"), method.get("ci95_t"), fit.get("ci95_questions")
        line = [Cell(label), Cell(f"{scale * fit['slope']:+.2f}")]
        line += [Cell(bracketed(one, "{:+.2f}", scale)) for one in bounds]
        line += [Cell(f"{fit['r2']:.2f}"), Cell(str(len(fit.get("by_seed", ())) or "–"))]
        cells.append(line)
    header = [
        "Line",
        f"{unit} per {per}",
        *METHOD,
        QUESTIONS,
        "R²",
        "Seeds",
    ]
    return Table(header, cells).without_empty(METHOD)
