"""Axes of charts: scales, round ticks, grid lines and labels."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

WIDTH, HEIGHT = 400.0, 270.0
"""Of a chart with two axes, in units."""
_MOST_TICKS = 12  # of an axis with a tick at every value

Format = Callable[[float], str]


@dataclass(frozen=True)
class Axis:
    """A scale from data to the drawing.

    Attributes:
      first: the value at `start`.
      last: the value at `end`.
      start: a coordinate.
      end: a coordinate.
      log: whether the scale is logarithmic.
      ticks: values with a label.
    """

    first: float
    last: float
    start: float
    end: float
    log: bool = False
    ticks: Sequence[float] = field(default=())

    def __call__(self, value: float) -> float:
        transform = math.log if self.log else float
        low, high = transform(self.first), transform(self.last)
        share = (transform(value) - low) / (high - low)
        return self.start + share * (self.end - self.start)


def percent(value: float) -> str:
    """A fraction as a short percentage."""
    return f"{100 * value:.0f} %" if abs(value * 100 % 1) < 1e-6 else f"{100 * value:.1f} %"


def plain(value: float) -> str:
    """A number with at most three significant digits, or whole from 1,000 on."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def nice_ticks(low: float, high: float) -> list[float]:
    """About five round numbers that cover [low, high]."""
    if high <= low:
        high = low + (abs(low) or 1.0)
    raw = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def linear_axis(values: Iterable[float], start: float, end: float, zero: bool = False) -> Axis:
    """An axis with round ticks that cover the values, and 0 if `zero`."""
    covered = list(values) + ([0.0] if zero else [])
    ticks = nice_ticks(min(covered), max(covered))
    return Axis(ticks[0], ticks[-1], start, end, ticks=ticks)


def x_axis(values: Sequence[float], start: float, end: float, log: bool) -> Axis:
    """Ticks at the values themselves if they are few, at round numbers otherwise."""
    distinct = sorted(set(values))
    first, last = distinct[0], distinct[-1]
    if len(distinct) == 1 or (len(distinct) > _MOST_TICKS and not log):
        return linear_axis(values, start, end)
    ticks = distinct if len(distinct) <= _MOST_TICKS else _round_ticks(first, last)
    return Axis(first, last, start, end, log, ticks)


def _round_ticks(first: float, last: float) -> list[float]:
    """The numbers 1, 2 and 5 times a power of ten from first to last, both above 0."""
    powers = range(math.floor(math.log10(first)), math.floor(math.log10(last)) + 1)
    ticks = [m * 10.0**power for power in powers for m in (1, 2, 5)]
    return [tick for tick in ticks if first <= tick <= last]


def grid(
    x: Axis,
    y: Axis,
    left: float,
    right: float,
    bottom: float,
    y_format: Format,
    x_names: Mapping[float, str] | None = None,
) -> str:
    """Horizontal grid lines and the labels of both axes' ticks.

    Args:
      x_names: labels of horizontal ticks that are not their numbers, each of one line or two.
    """
    names = x_names or {}
    lines = [
        f'<line class="grid" x1="{left}" x2="{right}" y1="{y(t):.1f}" y2="{y(t):.1f}"/>'
        f'<text x="{left - 7}" y="{y(t) + 4:.1f}" text-anchor="end">{escape(y_format(t))}</text>'
        for t in y.ticks
    ]
    lines += [
        f'<text x="{x(t):.1f}" y="{bottom + 17 + 15 * i}" text-anchor="middle">'
        f"{escape(line)}</text>"
        for t in spread_ticks(x, 46.0 if names else 30.0)
        for i, line in enumerate(names.get(t, plain(t)).split("\n"))
    ]
    return "".join(lines)


def spread_ticks(axis: Axis, apart: float = 30.0) -> list[float]:
    """The ticks whose labels do not overlap; always with the last one."""
    spread: list[float] = []
    for tick in reversed(axis.ticks):
        if not spread or abs(axis(spread[-1]) - axis(tick)) >= apart:
            spread.append(tick)
    return spread


def axis_labels(x_label: str, y_label: str) -> str:
    """The names of the axes, below to the right and above to the left."""
    return (
        f'<text class="label" x="{WIDTH - 14}" y="{HEIGHT - 6}" text-anchor="end">'
        f"{escape(x_label)}</text>"
        f'<text class="label" x="4" y="12">{escape(y_label)}</text>'
    )
