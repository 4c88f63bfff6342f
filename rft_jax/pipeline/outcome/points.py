"""From rows to the lines of a plot: means over seeds with their intervals, and fitted lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from rft_jax.evaluation.fits import fit_seeds
from rft_jax.evaluation.trainings import student_t
from rft_jax.files.jsonl import read_json
from rft_jax.files.names import METRICS_FILE, STATS_FILE
from rft_jax.pipeline.measures import Measured, Plot
from rft_jax.pipeline.outcome.conditions import mean_over_trainings, question_shares

Row = Mapping[str, Any]


def plot_data(
    root: Path, plot: Plot, measured: Sequence[Measured], rows: Sequence[Row]
) -> dict[str, Any]:
    """A plot as `results.json` has it: its description, its lines and its baselines.

    A line has `points` (`x`, `value`, for accuracies `ci95` over questions and `method`, the
    condition and each seed's value) and, where the plot has fits and there are enough points, a
    `fit`. For votes, the baselines are the conditions' greedy accuracies.

    Args:
      root: the run's folder.
      measured, rows: the rows' sources and content, in the same order.
    """
    described = asdict(plot) | {"series": [], "baselines": []}
    if plot.kind == "shares":
        described["series"] = _shares(plot, measured, rows)
        return described
    for name in plot.series:
        members = [
            (one, row) for one, row in zip(measured, rows, strict=True) if name in one.series
        ]
        described["series"].append(_line(root, plot, name, members))
    for arm in plot.baselines:
        members = [(one, row) for one, row in zip(measured, rows, strict=True) if one.arm == arm]
        if members:
            label = members[0][0].label
            if plot.kind == "votes":
                plot, label = replace(plot, y="accuracy"), f"{label}, greedy"
            point = _point(root, plot, None, members)
            described["baselines"].append({"label": label, **point})
    return described


Members = Sequence[tuple[Measured, Row]]


def _line(root: Path, plot: Plot, name: str, members: Members) -> dict[str, Any]:
    if plot.kind == "votes":
        return {"label": name, "points": _vote_points(root, members)}
    if plot.kind == "histogram":
        return {"label": name, "points": _histogram(root, members)}
    by_arm: dict[str, list[tuple[Measured, Row]]] = {}
    for one, row in members:
        if row.get(plot.x) is not None and row.get(plot.y) is not None:
            by_arm.setdefault(one.arm, []).append((one, row))
    groups = list(by_arm.values())
    groups.sort(key=lambda group: _mean(group, plot.x))
    points = [_point(root, plot, _mean(group, plot.x), group) for group in groups]
    line: dict[str, Any] = {"label": name, "points": points}
    if plot.fit:
        line["fit"] = _fit(root, plot, groups)
    return line


def _shares(plot: Plot, measured: Sequence[Measured], rows: Sequence[Row]) -> list[dict[str, Any]]:
    """A line per column with a point per condition, numbered from 1: its share and its count.

    The count is that of the problems of all seeds.
    """
    by_arm: dict[str, list[tuple[Measured, Row]]] = {}
    for one, row in zip(measured, rows, strict=True):
        if all(row.get(column) is not None for column in plot.series):
            by_arm.setdefault(one.arm, []).append((one, row))
    lines = []
    for column in plot.series:
        points = [
            {
                "x": number,
                "value": _mean(group, column),
                "count": sum(round(_value(row[column]) * row["accuracy"]["n"]) for _, row in group),
                "by_seed": {str(one.seed): _value(row[column]) for one, row in group},
                "model": arm,
                "label": group[0][0].label,
            }
            for number, (arm, group) in enumerate(by_arm.items(), start=1)
        ]
        lines.append({"label": column.replace("_", " "), "points": points})
    return lines


def _mean(group: Members, column: str) -> float:
    return float(np.mean([_value(row[column]) for _, row in group]))


def _value(cell: Any) -> float:
    return float(cell["value"] if isinstance(cell, dict) else cell)


def _point(root: Path, plot: Plot, x: float | None, group: Members) -> dict[str, Any]:
    """The mean over a condition's seeds; for accuracies with the intervals of the condition."""
    point: dict[str, Any] = {"x": x, "value": _mean(group, plot.y)}
    if plot.y == "accuracy":
        point = mean_over_trainings(root, [one for one, _ in group]) | point
    point["by_seed"] = {str(one.seed): _value(row[plot.y]) for one, row in group}
    point["model"] = group[0][0].arm
    return point


def _fit(root: Path, plot: Plot, groups: Sequence[Members]) -> dict[str, Any] | None:
    """A line through the conditions of each seed; None where seeds have other conditions than each
    other, or a seed fewer than three values of x."""
    members = sorted(
        (member for group in groups for member in group), key=lambda member: member[0].seed
    )
    of_seed: dict[int, set[float]] = {}
    for one, row in members:
        of_seed.setdefault(one.seed, set()).add(_value(row[plot.x]))
    seeds = len(of_seed)
    if len(members) != seeds * len(groups) or min(map(len, of_seed.values()), default=0) < 3:
        return None
    xs, ys = (
        np.array([_value(row[column]) for _, row in members]).reshape(seeds, -1)
        for column in (plot.x, plot.y)
    )
    questions = None
    if plot.y == "accuracy":
        shares = question_shares(root, [one for one, _ in members])
        questions = shares.reshape(*xs.shape, -1)
    return fit_seeds(np.log2(xs) if plot.log_x else xs, ys, questions)


def _vote_points(root: Path, members: Members) -> list[dict[str, Any]]:
    """maj@k against k: the mean over the seeds' curves, with an interval over questions."""
    curves: dict[int, list[dict[str, Any]]] = {}
    for one, _ in members:
        if one.vote is not None:
            metrics = read_json(root / one.vote.folder / METRICS_FILE)
            for at in metrics.get("curve", [{"k": metrics["k"], "maj@k": metrics["maj@k"]}]):
                curves.setdefault(at["k"], []).append(at["maj@k"])
    return [{"x": k, **_mean_votes(curves[k])} for k in sorted(curves)]


def _mean_votes(metrics: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The mean of the seeds' metrics, and Student's t over the seeds."""
    values = np.array([one["value"] for one in metrics])
    several = {"trainings": len(values), "ci95": None, "ci95_t": student_t(values, 0.0, 1.0)[0]}
    return {
        "value": float(values.mean()),
        # The mean of the seeds' bounds: not narrower than the interval of the mean.
        "ci95": [float(np.mean([one["ci95"][side] for one in metrics])) for side in (0, 1)],
        "method": several if len(values) > 1 else None,
    }


def _histogram(root: Path, members: Members) -> list[dict[str, Any]]:
    """The number of sampled problems by their distinct correct paths, over all seeds."""
    counts: Counter[int] = Counter()
    for one, _ in members:
        if one.tests is not None:
            stats = read_json(root / one.tests.folder / STATS_FILE)
            counts.update({int(n): c for n, c in stats["paths"]["problems_by_sampled"].items()})
            counts[0] -= stats["problems"] - stats["sampled_problems"]
    return [{"x": n, "value": counts[n]} for n in sorted(counts)]
