"""Bins of problems by difficulty: wide enough that each has problems to average over."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

LEAST = 30
"""Problems of a bin; one with fewer is merged with its neighbour."""
MOST = 7
"""Bins of a chart, so that their labels fit."""


@dataclass(frozen=True)
class Bin:
    """The problems with a value from `first` to `last`."""

    first: int
    last: int

    @property
    def label(self) -> str:
        """`4`, or `5–6`."""
        return f"{self.first}" if self.first == self.last else f"{self.first}–{self.last}"

    def __contains__(self, value: int) -> bool:
        return self.first <= value <= self.last


def by_value(values: Sequence[int], least: int = LEAST) -> list[Bin]:
    """A bin for each value; those with fewer than `least` are merged with the next larger ones.

    The largest values, if they are too few, are merged with the bin before them. More than `MOST`
    bins are merged further.
    """
    groups: list[list[int]] = []
    for value in sorted(values):
        if groups and (value == groups[-1][-1] or len(groups[-1]) < least):
            groups[-1].append(value)
        else:
            groups.append([value])
    if len(groups) > 1 and len(groups[-1]) < least:
        last = groups.pop()
        groups[-1] += last
    return by_value(values, 2 * least) if len(groups) > MOST else list(map(_bin, groups))


def quarters(values: Sequence[int]) -> list[Bin]:
    """Bins of a quarter of the values each; equal values share a bin."""
    ordered = sorted(values)
    starts = sorted({ordered[len(ordered) * i // 4] for i in range(4)}) if ordered else []
    groups: list[list[int]] = [[] for _ in starts]
    for value in ordered:
        groups[bisect_right(starts, value) - 1].append(value)
    return list(map(_bin, groups))


def _bin(ordered: Sequence[int]) -> Bin:
    return Bin(ordered[0], ordered[-1])
