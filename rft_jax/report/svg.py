"""Charts as SVG, inline in a page or as a file, coloured by CSS variables for light and dark.

A chart is 400 units wide and scales with its card; labels stay readable on a phone. Hovering over a
mark shows its values (SVG titles; no script).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from rft_jax.report.axes import (
    HEIGHT,
    WIDTH,
    Axis,
    Format,
    axis_labels,
    grid,
    linear_axis,
    percent,
    plain,
    spread_ticks,
    x_axis,
)
from rft_jax.report.html import asset

COLOURS = 10
_MARGIN = 8  # units around a chart in a file of its own
_LONGEST_NAME = 48  # characters of a row's name that fit into the width


@dataclass(frozen=True)
class Point:
    """A mark at (x, y) with an optional interval of the measured value."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Series:
    """A line through points of one colour.

    Attributes:
      label: its name in the legend; '' for none.
      points: in order of x.
      colour: number of its colour, up to `COLOURS`.
      dashed: whether the line is dashed.
      marks: whether the points have marks.
    """

    label: str
    points: Sequence[Point]
    colour: int
    dashed: bool = False
    marks: bool = True


def line_chart(
    series: Sequence[Series],
    x_label: str,
    y_label: str,
    y_format: Format = plain,
    log_x: bool = False,
    marks: bool = True,
    zero: bool = False,
    x_names: Mapping[float, str] | None = None,
) -> str:
    """Lines through points with their intervals, and a legend; empty without points.

    Args:
      series: the lines.
      x_label: of the horizontal axis.
      y_label: of the vertical axis.
      y_format: of the vertical axis and of the marks' titles.
      log_x: whether the horizontal axis is logarithmic.
      marks: whether points have marks at all.
      zero: whether the vertical axis includes 0.
      x_names: labels of the horizontal axis that are not its numbers, one or two lines each.
    """
    series = [one for one in series if one.points]
    if not series:
        return ""
    points = [point for one in series for point in one.points]
    marked = [one for one in series if one.marks and marks]
    left, right, top, bottom = 52.0, WIDTH - 14, 24.0, HEIGHT - (57 if x_names else 42)
    x = x_axis([point.x for point in points], left + 8, right - 8, log_x)
    bounds = [b for p in points for b in (p.y, p.low, p.high) if b is not None]
    y = linear_axis(bounds, bottom, top, zero)
    parts = [grid(x, y, left, right, bottom, y_format, x_names)]
    parts.append(axis_labels(x_label, y_label))
    # Marks at the same x are moved sideways, so that their intervals do not overlap.
    apart = min(4.0, 28.0 / max(len(marked), 1))
    aside = {id(one): apart * (i - (len(marked) - 1) / 2) for i, one in enumerate(marked)}
    names = {at: name.replace("\n", ", ") for at, name in (x_names or {}).items()}
    parts += [_line(one, aside.get(id(one), 0.0), x, y, y_format, marks, names) for one in series]
    return drawing(HEIGHT, f"{y_label} by {x_label}", parts) + legend(
        {one.label: one.colour for one in series if one.label},
        {one.label for one in series if one.dashed},
    )


def _line(
    series: Series,
    aside: float,
    x: Axis,
    y: Axis,
    y_format: Format,
    marks: bool,
    names: Mapping[float, str],
) -> str:
    path = " ".join(f"{x(p.x) + aside:.1f},{y(p.y):.1f}" for p in series.points)
    dashed = ' stroke-dasharray="5 4"' if series.dashed else ""
    parts = [f'<polyline class="line" points="{path}"{dashed}/>']
    for p in series.points if marks and series.marks else ():
        at, interval = x(p.x) + aside, ""
        note = f"{series.label}, {names.get(p.x, plain(p.x))}: {y_format(p.y)}"
        if p.low is not None and p.high is not None:
            note += f" ({y_format(p.low)} to {y_format(p.high)})"
            interval = (
                f'<line class="interval" x1="{at:.1f}" x2="{at:.1f}" '
                f'y1="{y(p.low):.1f}" y2="{y(p.high):.1f}"/>'
            )
        circle = f'<circle cx="{at:.1f}" cy="{y(p.y):.1f}" r="4"/>'
        parts.append(f"<g><title>{escape(note)}</title>{interval}{circle}</g>")
    return f'<g class="c{series.colour % COLOURS}">{"".join(parts)}</g>'


def interval_chart(rows: Sequence[tuple[str, Sequence[Point], int]], x_label: str) -> str:
    """A row per label with a dot and its interval for each point, e.g. one per seed.

    Args:
      rows: label, points (x is the value, y is ignored), colour.
      x_label: of the horizontal axis, which has shares.
    """
    if not rows:
        return ""
    gap, head, top = 13.0, 26.0, 8.0
    heights = [head + gap * len(points) for _, points, _ in rows]
    height = top + sum(heights) + 40
    bounds = [b for _, points, _ in rows for p in points for b in (p.x, p.low, p.high)]
    x = linear_axis([b for b in bounds if b is not None], 14.0, WIDTH - 22)
    parts = [
        f'<line class="grid" x1="{x(t):.1f}" x2="{x(t):.1f}" y1="{top}" y2="{height - 38}"/>'
        f'<text x="{x(t):.1f}" y="{height - 22}" text-anchor="middle">{escape(percent(t))}</text>'
        for t in spread_ticks(x, 40)
    ]
    y = top
    for (label, points, colour), tall in zip(rows, heights, strict=True):
        parts.append(row_name(label, y + 13))
        dots = [_interval_dot(label, p, x, y + head + gap * i) for i, p in enumerate(points)]
        parts.append(f'<g class="c{colour % COLOURS}">{"".join(dots)}</g>')
        y += tall
    parts.append(
        f'<text class="label" x="{WIDTH - 14}" y="{height - 4}" text-anchor="end">'
        f"{escape(x_label)}</text>"
    )
    return drawing(height, x_label, parts)


def _interval_dot(label: str, p: Point, x: Axis, y: float) -> str:
    note, interval = f"{label}: {percent(p.x)}", ""
    if p.low is not None and p.high is not None:
        note += f", 95 % interval {percent(p.low)} to {percent(p.high)}"
        interval = (
            f'<line class="interval" x1="{x(p.low):.1f}" x2="{x(p.high):.1f}" y1="{y}" y2="{y}"/>'
        )
    circle = f'<circle cx="{x(p.x):.1f}" cy="{y}" r="4.5"/>'
    return f"<g><title>{escape(note)}</title>{interval}{circle}</g>"


def legend(colours: Mapping[str, int], dashed: Iterable[str] = ()) -> str:
    """The names of the colours under a chart; wraps on a narrow screen."""
    dashed_labels = set(dashed)
    items = "".join(
        f'<span class="key c{colour % COLOURS}{" dashed" if label in dashed_labels else ""}">'
        f"{escape(label)}</span>"
        for label, colour in colours.items()
    )
    return f'<p class="legend">{items}</p>' if items else ""


def standalone(chart: str) -> str:
    """A chart without a legend as the content of an SVG file, with its namespace and styles."""
    height = float(chart.split('"')[1].split()[3]) + 2 * _MARGIN
    width = WIDTH + 2 * _MARGIN
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="{-_MARGIN} {-_MARGIN} {width:.0f} {height:.0f}" '
    )
    body = chart.partition('" ')[2].removesuffix("</svg>")
    return f"{head}{body}<style>{asset('chart.css')}</style></svg>\n"


def row_name(label: str, y: float, longest: int = _LONGEST_NAME) -> str:
    """A row's name; one of more characters is cut and has a title with all of it."""
    text = escape(label)
    if len(label) > longest:
        text = f"{escape(label[: longest - 1])}…<title>{text}</title>"
    return f'<text class="name" x="2" y="{y}">{text}</text>'


def drawing(height: float, title: str, parts: Sequence[str]) -> str:
    """The parts of a chart as an SVG element of this height, with a title for screen readers."""
    return (
        f'<svg viewBox="0 0 {WIDTH:.0f} {height:.0f}" role="img" aria-label="{escape(title)}">'
        f"{''.join(parts)}</svg>"
    )
