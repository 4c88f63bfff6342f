"""From rows to the lines of a figure: the mean over seeds with its interval, and a fitted line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from rft_jax.evaluation.against import read_scores
from rft_jax.evaluation.compare import decided_shares
from rft_jax.evaluation.fits import fit_line
from rft_jax.evaluation.intervals import mean_with_ci
from rft_jax.files.jsonl import read_json
from rft_jax.pipeline.measures import Figure, Measured

Row = Mapping[str, Any]


def draw(
    root: Path, figure: Figure, measured: Sequence[Measured], rows: Sequence[Row]
) -> dict[str, Any]:
    """A figure as `results.json` has it: what it says of itself, its lines, its level lines.

    A line has `points` (`x`, `value`, for accuracies `ci95`, the `models` and each seed's value)
    and, where it was asked for and there are enough of them, a `fit`.
    """
    described = asdict(figure) | {"series": [], "baselines": []}
    for name in figure.series:
        members = [
            (one, row) for one, row in zip(measured, rows, strict=True) if name in one.series
        ]
        described["series"].append(_line(root, figure, name, members))
    for arm in figure.baselines:
        members = [(one, row) for one, row in zip(measured, rows, strict=True) if one.arm == arm]
        if members:
            point = _point(root, figure, None, members)
            described["baselines"].append({"label": members[0][0].label, **point})
    return described


Members = Sequence[tuple[Measured, Row]]


def _line(root: Path, figure: Figure, name: str, members: Members) -> dict[str, Any]:
    if figure.x == "votes":
        return {"label": name, "points": _vote_points(root, members)}
    if figure.x == "test_paths":
        return {"label": name, "points": _histogram(root, members)}
    by_arm: dict[str, list[tuple[Measured, Row]]] = {}
    for one, row in members:
        if row.get(figure.x) is not None and row.get(figure.y) is not None:
            by_arm.setdefault(one.arm, []).append((one, row))
    groups = list(by_arm.values())
    groups.sort(key=lambda group: _mean(group, figure.x))
    points = [_point(root, figure, _mean(group, figure.x), group) for group in groups]
    line: dict[str, Any] = {"label": name, "points": points}
    if figure.fit:
        line["fit"] = _fit(root, figure, groups)
    return line


def _mean(group: Members, column: str) -> float:
    return float(np.mean([_value(row[column]) for _, row in group]))


def _value(cell: Any) -> float:
    return float(cell["value"] if isinstance(cell, dict) else cell)


def _point(root: Path, figure: Figure, x: float | None, group: Members) -> dict[str, Any]:
    """The mean over an arm's seeds; of accuracies with an interval over questions."""
    point: dict[str, Any] = {"x": x, "value": _mean(group, figure.y)}
    if figure.y == "accuracy":
        point["ci95"] = mean_with_ci(_question_means(root, group))["ci95"]
    point["by_seed"] = {str(one.seed): _value(row[figure.y]) for one, row in group}
    point["model"] = group[0][0].arm
    return point


def _question_means(root: Path, group: Members) -> np.ndarray:
    """Each question's share of right answers over an arm's seeds."""
    scores = [read_scores(root / one.greedy.folder) for one, _ in group]
    return np.array(decided_shares(scores), np.float64).mean(0)


def _fit(root: Path, figure: Figure, groups: Sequence[Members]) -> dict[str, Any] | None:
    """A line through every training of the arms; None with fewer than three points of x."""
    members = [member for group in groups for member in group]
    xs = [float(row[figure.x]) for _, row in members]
    if len(set(xs)) < 3:
        return None
    ys = [_value(row[figure.y]) for _, row in members]
    questions = None
    if figure.y == "accuracy":
        scores = [read_scores(root / one.greedy.folder) for one, _ in members]
        questions = np.array(decided_shares(scores), np.float64)
    return fit_line(np.log2(xs) if figure.log_x else xs, ys, questions)


def _vote_points(root: Path, members: Members) -> list[dict[str, Any]]:
    """maj@k against k: the mean over the seeds' curves, with an interval over questions."""
    curves: dict[int, list[dict[str, Any]]] = {}
    for one, _ in members:
        if one.vote is not None:
            metrics = read_json(root / one.vote.folder / "metrics.json")
            for at in metrics.get("curve", [{"k": metrics["k"], "maj@k": metrics["maj@k"]}]):
                curves.setdefault(at["k"], []).append(at["maj@k"])
    return [
        {
            "x": k,
            "value": float(np.mean([at["value"] for at in curves[k]])),
            # The mean of the seeds' bounds: not narrower than the interval of the mean.
            "ci95": [float(np.mean([at["ci95"][side] for at in curves[k]])) for side in (0, 1)],
        }
        for k in sorted(curves)
    ]


def _histogram(root: Path, members: Members) -> list[dict[str, Any]]:
    """How many of the problems that were sampled have so many different right paths, all seeds."""
    counts: Counter[int] = Counter()
    for one, _ in members:
        if one.tests is not None:
            stats = read_json(root / one.tests.folder / "stats.json")
            counts.update({int(n): c for n, c in stats["paths"]["problems_by_sampled"].items()})
            counts[0] -= stats["problems"] - stats["sampled_problems"]
    return [{"x": n, "value": counts[n]} for n in sorted(counts)]
