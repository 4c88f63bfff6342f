"""Packing: which examples share a row. An example is never split."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

WINDOW = 2048
"""Examples that are packed together: enough to fill rows, few enough to stay shuffled."""


def pack(lengths: np.ndarray, capacity: int, window: int = WINDOW) -> list[list[int]]:
    """Rows of example indices whose lengths sum to at most `capacity`.

    Best-fit decreasing within windows of consecutive examples: longest first, each into the row
    with the least free space that holds it.

    Args:
      lengths: int[n], tokens of each example, at most `capacity`, in an order that the rows roughly
        keep.
      capacity: tokens of a row.
      window: number of consecutive examples that are packed together.
    """
    rows: list[list[int]] = []
    for start in range(0, len(lengths), window):
        chunk = lengths[start : start + window]
        longest_first = np.argsort(-chunk, kind="stable")
        rows += _best_fit((longest_first + start).tolist(), chunk[longest_first].tolist(), capacity)
    return rows


def _best_fit(examples: Sequence[int], lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Open rows are indexed by their free space; bit n of a mask says whether one has n free."""
    rows: list[list[int]] = []
    by_space: dict[int, list[list[int]]] = {}
    spaces = 0
    for example, length in zip(examples, lengths, strict=True):
        fitting = spaces >> length
        if fitting:
            space = length + (fitting & -fitting).bit_length() - 1
            row = by_space[space].pop()
            if not by_space[space]:
                spaces &= ~(1 << space)
        else:
            space, row = capacity, []
            rows.append(row)
        row.append(example)
        by_space.setdefault(space - length, []).append(row)
        spaces |= 1 << (space - length)
    return rows
