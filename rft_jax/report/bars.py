"""Charts of bars: how often each number occurs, and how a total is divided."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from textwrap import wrap

from rft_jax.report import svg
from rft_jax.report.axes import (
    HEIGHT,
    WIDTH,
    Axis,
    axis_labels,
    grid,
    linear_axis,
    percent,
    plain,
    spread_ticks,
)

_FITS = 46.0  # units of a segment that its share fits into
_CHARACTERS = 62  # of a line below a bar
_LONGEST_NAME = 43  # characters of a row's name beside its total


def histogram(
    groups: Sequence[tuple[str, Mapping[int, int], int]], x_label: str, y_label: str
) -> str:
    """Bars side by side for how often each whole number occurs.

    Args:
      groups: label, number -> how often, colour.
      x_label: of the horizontal axis.
      y_label: of the vertical axis.
    """
    numbers = [number for _, counts, _ in groups for number in counts]
    if not numbers:
        return ""
    first, last = min(numbers), max(numbers)
    left, right, top, bottom = 52.0, WIDTH - 14, 24.0, HEIGHT - 42
    y = linear_axis([n for _, counts, _ in groups for n in counts.values()], bottom, top, zero=True)
    x = Axis(first, last + 1, left, right, ticks=range(first, last + 1))
    slot = x(first + 1) - left
    width = 0.84 * slot / len(groups)
    parts = [grid(Axis(0, 1, 0, 1), y, left, right, bottom, plain)]
    for i, (label, counts, colour) in enumerate(groups):
        bars = [
            f'<rect x="{x(n) + 0.08 * slot + i * width:.1f}" y="{y(counts[n]):.1f}" '
            f'width="{max(0.9 * width, 0.5):.1f}" height="{bottom - y(counts[n]):.1f}">'
            f"<title>{escape(f'{label}: {counts[n]:,} with {n}')}</title></rect>"
            for n in sorted(counts)
        ]
        parts.append(f'<g class="c{colour % svg.COLOURS}">{"".join(bars)}</g>')
    parts += [
        f'<text x="{x(n) + slot / 2:.1f}" y="{bottom + 17}" text-anchor="middle">{n}</text>'
        for n in spread_ticks(x, 26)
    ]
    parts.append(axis_labels(x_label, y_label))
    colours = {label: colour for label, _, colour in groups} if len(groups) > 1 else {}
    return svg.drawing(HEIGHT, f"{y_label} by {x_label}", parts) + svg.legend(colours)


def stacked_bars(rows: Mapping[str, Mapping[str, int]], classes: Mapping[str, str]) -> str:
    """A bar per row, divided by share, with its total; counts that do not fit stand below it.

    Args:
      rows: row label -> segment -> count.
      classes: segment -> CSS class of its colour, in drawing order.
    """
    parts, y = [], 0.0
    for label, counts in rows.items():
        total = sum(counts.values())
        parts += [svg.row_name(label, y + 13, _LONGEST_NAME), _end(f"n = {total:,}", y + 13)]
        parts += _segments(counts, total or 1, classes, y + 19)
        below = [
            f"{segment.replace('_', ' ')} {_counted(counts[segment], total)}".replace(" ", "\xa0")
            for segment in classes
            if counts.get(segment) and _width(counts[segment], total) < _FITS
        ]
        y += 42
        for line in wrap(" · ".join(below), _CHARACTERS):
            parts.append(f'<text class="small" x="2" y="{y + 6}">{escape(line)}</text>')
            y += 15
        y += 5 * bool(below)
    return svg.drawing(y, "shares of " + ", ".join(classes), parts)


def _segments(
    counts: Mapping[str, int], total: int, classes: Mapping[str, str], y: float
) -> Iterator[str]:
    x = 2.0
    for segment, css in classes.items():
        count = counts.get(segment, 0)
        width = _width(count, total)
        note = f"{segment}: {count:,} of {total:,} ({percent(count / total)})"
        yield (
            f'<rect class="{css}" x="{x:.2f}" y="{y}" width="{width:.2f}" height="16">'
            f"<title>{escape(note)}</title></rect>"
        )
        if width >= _FITS:
            yield (
                f'<text class="inside" x="{x + width / 2:.1f}" y="{y + 12}" text-anchor="middle">'
                f"{percent(count / total)}</text>"
            )
        x += width


def _width(count: int, total: int) -> float:
    return (WIDTH - 4) * count / total


def _counted(count: int, total: int) -> str:
    share = percent(count / total) if count / total >= 0.0005 else "< 0.1 %"
    return f"{count:,} ({share})"


def _end(text: str, y: float) -> str:
    return f'<text x="{WIDTH - 2}" y="{y}" text-anchor="end">{escape(text)}</text>'
