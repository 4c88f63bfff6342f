"""The section with an experiment's plots: ours, the paper's beside them, tables and fits."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rft_jax.report import svg
from rft_jax.report.html import Section, card, charts, folded
from rft_jax.report.published import SOURCE, published
from rft_jax.report.runs import Run
from rft_jax.report.tables import Cell, Table, percentage

Figure = Mapping[str, Any]
Line = Mapping[str, Any]


def figures_section(runs: Sequence[Run]) -> Section:
    """Every plot of every experiment: ours, the published one, and both as a folded table."""
    parts = []
    for run in runs:
        name = f"{run.name}: " if len(runs) > 1 else ""
        for figure in run.figures:
            cards = [card(figure_chart(figure), f"{name}{figure['title']}", _caption(figure))]
            theirs = paper_lines(figure)
            if theirs:
                chart = _chart(figure, theirs, ())
                cards.append(card(chart, f"The paper: {figure['title'].lower()}", _paper_caption()))
            tables = "".join(table.html() for _, table in figure_tables(figure))
            table = card(folded("As a table", tables))
            parts.append(f'{charts(cards)}<div class="spaced">{table}</div>')
    return Section("figures", "The experiment", "".join(parts))


def figure_chart(figure: Figure) -> str:
    """Our lines with their intervals, dashed fits and baselines."""
    return _chart(figure, figure["series"], figure["baselines"])


def paper_lines(figure: Figure) -> list[dict[str, Any]]:
    """The published lines of a plot; none where the paper has no such plot."""
    if not figure["paper"]:
        return []
    return published(figure["paper"], figure["log_x"], figure["fit"])


def _chart(figure: Figure, lines: Sequence[Line], baselines: Sequence[Line]) -> str:
    lines = [line for line in lines if line["points"]]
    if not lines:
        return ""
    if figure["x"] == "test_paths":
        bars = [
            (line["label"], {int(p["x"]): int(p["value"]) for p in line["points"]}, i)
            for i, line in enumerate(lines)
        ]
        return svg.histogram(bars, figure["x_label"], figure["y_label"])
    series = [
        svg.Series(line["label"], [_point(p) for p in line["points"]], i)
        for i, line in enumerate(lines)
    ]
    series += _fitted(figure, lines)
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
    is_share = _is_share(figure)
    y_format = svg.percent if is_share else svg.plain
    y_label = figure["y_label"] or ("accuracy" if is_share else figure["y"])
    return svg.line_chart(series, figure["x_label"], y_label, y_format, log_x=figure["log_x"])


def _fitted(figure: Figure, lines: Sequence[Line]) -> Iterator[svg.Series]:
    for colour, line in enumerate(lines):
        fit = line.get("fit")
        if fit:
            ends = sorted({p["x"] for p in line["points"]})
            points = [svg.Point(x, _at(fit, x, figure["log_x"])) for x in (ends[0], ends[-1])]
            yield svg.Series("", points, colour, dashed=True, marks=False)


def _at(fit: Mapping[str, Any], x: float, log_x: bool) -> float:
    return fit["intercept"] + fit["slope"] * (math.log2(x) if log_x else x)


def _point(point: Mapping[str, Any]) -> svg.Point:
    return svg.Point(point["x"], point["value"], *point.get("ci95", ()))


def _is_share(figure: Figure) -> bool:
    return figure["y"] in ("accuracy", "maj@k", "pass@k")


def _caption(figure: Figure) -> str:
    parts = ["Means over seeds; bars: 95 % intervals over questions."] * _is_share(figure)
    if figure["fit"]:
        parts.append("Dashed: least squares through all training runs.")
    return " ".join(parts)


def _paper_caption() -> str:
    return f"On GSM8K, LLaMA models, one training run each ({SOURCE})."


def figure_tables(figure: Figure) -> list[tuple[str, Table]]:
    """(title, table): our points, the published ones, and the fits of both."""
    theirs = paper_lines(figure)
    tables = [("", _points_table(figure, figure["series"], figure["baselines"]))]
    if theirs:
        tables.append((f"The paper ({SOURCE})", _points_table(figure, theirs, ())))
    fits = [(line["label"], line["fit"]) for line in figure["series"] if line.get("fit")]
    fits += [(f"the paper's {line['label']}", line["fit"]) for line in theirs if "fit" in line]
    if fits:
        tables.append(("Fits", _fits_table(figure, fits)))
    return tables


def _points_table(figure: Figure, lines: Sequence[Line], baselines: Sequence[Line]) -> Table:
    """A row per x, a column per line."""
    lines = [line for line in lines if line["points"]]
    xs = sorted({point["x"] for line in lines for point in line["points"]})
    known = [{point["x"]: point for point in line["points"]} for line in lines]
    cells = [[Cell(svg.plain(x)), *(_cell(figure, at.get(x)) for at in known)] for x in xs]
    for line in baselines:
        cells.append([Cell(line["label"]), _cell(figure, line)])
        cells[-1] += [Cell("")] * (len(lines) - 1)
    return Table([figure["x_label"], *(line["label"] for line in lines)], cells)


def _cell(figure: Figure, point: Mapping[str, Any] | None) -> Cell:
    if point is None:
        return Cell("–")
    if not _is_share(figure):
        return Cell(f"{point['value']:,.2f}".removesuffix(".00"))
    return percentage(point) if "ci95" in point else Cell(f"{100 * point['value']:.1f} %")


def _fits_table(figure: Figure, fits: Sequence[tuple[str, Mapping[str, Any]]]) -> Table:
    """Slopes with both intervals, in percentage points for accuracies."""
    scale = 100 if _is_share(figure) else 1
    per = "doubling" if figure["log_x"] else f"unit of {figure['x_label']}"
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


def figures_markdown(run: Run) -> list[str]:
    """The tables of all plots, for a paper or a README."""
    parts = []
    for figure in run.figures:
        parts.append(f"### {figure['title']}")
        for title, table in figure_tables(figure):
            parts += [f"{title}:"] * bool(title) + [table.markdown()]
    return parts
