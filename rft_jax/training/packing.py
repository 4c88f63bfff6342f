"""Packing: which examples share a row. An example is never split."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

WINDOW = 2048  # examples packed among themselves: enough to fill rows, few enough to stay shuffled


def pack(lengths: np.ndarray, capacity: int, window: int = WINDOW) -> list[list[int]]:
    """Rows of example indices whose lengths sum to at most `capacity`.

    Best-fit decreasing within windows of consecutive examples: longest first, each into the row
    that it leaves the least room in.

    Args:
      lengths: int[n], all at most `capacity`, in the order the examples should roughly keep.
    """
    rows: list[list[int]] = []
    for start in range(0, len(lengths), window):
        part = lengths[start : start + window]
        longest_first = np.argsort(-part, kind="stable")
        rows += _best_fit((longest_first + start).tolist(), part[longest_first].tolist(), capacity)
    return rows


def _best_fit(examples: Sequence[int], lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Open rows are kept by the room left in them; a bit mask says which rooms there are."""
    rows: list[list[int]] = []
    by_room: dict[int, list[list[int]]] = {}
    rooms = 0
    for example, length in zip(examples, lengths, strict=True):
        fitting = rooms >> length
        if fitting:
            room = length + (fitting & -fitting).bit_length() - 1
            row = by_room[room].pop()
            if not by_room[room]:
                rooms &= ~(1 << room)
        else:
            room, row = capacity, []
            rows.append(row)
        row.append(example)
        left = room - length
        by_room.setdefault(left, []).append(row)
        rooms |= 1 << left
    return rows
