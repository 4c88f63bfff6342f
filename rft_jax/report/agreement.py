"""How many of the paper's models change in the same direction as ours do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from rft_jax.report.axes import plain
from rft_jax.report.tables import Cell, Table, shown_sign

Line = Mapping[str, Any]


def agreement_tables(plot: Line, theirs: Sequence[Line]) -> list[tuple[str, Table]]:
    """(title, table): for each step along x, and each pair of lines, ours and all of the paper's.

    Args:
      plot: ours, as in `results.json`.
      theirs: published lines that name the line of ours (`series`) and the model (`model`) they are
        of; others are left out.
    """
    theirs = [line for line in theirs if line.get("series")]
    tables = []
    for title, rows in (
        ("How many of the paper's models change in the same direction", _steps(plot, theirs)),
        ("How many of the paper's models have the same sign", _differences(plot, theirs)),
    ):
        cells = [_row(*row) for row in rows]
        header = ["Difference, percentage points", "Ours", "The paper's models", "Agree"]
        tables += [(title, Table(header, cells))] if cells else []
    return tables


Row = tuple[str, float, dict[str, float]]  # name, ours, model -> the paper's


def _row(name: str, ours: float, theirs: Mapping[str, float]) -> list[Cell]:
    ours, *others = (100 * round(value, 9) for value in (ours, *theirs.values()))
    theirs = dict(zip(theirs, others, strict=True))
    agree = sum(shown_sign(value) == shown_sign(ours) for value in theirs.values())
    shown = ", ".join(f"{model} {value:+.1f}" for model, value in theirs.items())
    return [Cell(name), Cell(f"{ours:+.1f}"), Cell(shown), Cell(f"{agree} of {len(theirs)}")]


def _steps(plot: Line, theirs: Sequence[Line]) -> Iterator[Row]:
    """From each x to the next one that both have, line by line."""
    for line in plot["series"]:
        ours = _values(plot, line)
        models = {
            one["model"]: _values(plot, one) for one in theirs if one["series"] == line["label"]
        }
        shared = [x for x in ours if any(x in values for values in models.values())]
        for first, second in pairwise(shared):
            found = {
                model: values[second] - values[first]
                for model, values in models.items()
                if first in values and second in values
            }
            if found:
                yield f"{line['label']}: {first} → {second}", ours[second] - ours[first], found


def _differences(plot: Line, theirs: Sequence[Line]) -> Iterator[Row]:
    """The second of two neighbouring lines minus the first, at each x that both have; not where
    both have the same training."""
    for one, other in pairwise(plot["series"]):
        ours = [_values(plot, line) for line in (one, other)]
        models = {
            model: [
                _values(plot, line)
                for label in (one["label"], other["label"])
                for line in theirs
                if (line["model"], line["series"]) == (model, label)
            ]
            for model in dict.fromkeys(line["model"] for line in theirs)
        }
        for x in _apart(plot, one, other):
            found = {
                model: values[1][x] - values[0][x]
                for model, values in models.items()
                if len(values) == 2 and x in values[0] and x in values[1]
            }
            if found:
                name = f"{other['label']} – {one['label']}, {x}"
                yield name, ours[1][x] - ours[0][x], found


def _apart(plot: Line, one: Line, other: Line) -> list[str]:
    """Names of the xs at which two of our lines have other conditions than each other."""
    arms = [
        {x: point.get("model") for x, point in _by_name(plot, line).items()}
        for line in (one, other)
    ]
    return [x for x, arm in arms[0].items() if x in arms[1] and (arm is None or arms[1][x] != arm)]


def _values(plot: Line, line: Line) -> dict[str, float]:
    """x -> share."""
    return {x: point["value"] for x, point in _by_name(plot, line).items()}


def _by_name(plot: Line, line: Line) -> dict[str, Line]:
    """A line's points by the name of their x; of several at one x the last.

    Data sets of other sizes are compared by their fractions, numbers of votes at their largest.
    """
    points = sorted(line["points"], key=lambda point: point["x"])
    most = points[-1]["x"] if points else 1

    def name(x: float) -> str:
        if plot["paper"] == "votes" and x == most:
            return "most votes"
        return f"1/{round(most / x)}" if plot["paper"] == "supervised" else plain(x)

    return {name(point["x"]): point for point in points}
