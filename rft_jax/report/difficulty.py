"""Accuracy by the difficulty of problems: by steps and by length of the reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rft_jax.evaluation.intervals import mean_with_ci
from rft_jax.report import axes, bins, svg
from rft_jax.report.bins import Bin
from rft_jax.report.html import card
from rft_jax.report.runs import RunRecord, arm_names, greedy_evaluations, read_predictions

Scores = Sequence[Mapping[str, Any]]  # a row per problem: id, steps, words, share

_CHARTS = {
    "steps": ("Accuracy by number of steps", "steps of the reference", bins.by_value),
    "words": ("Accuracy by length", "words of the reference", bins.quarters),
}
_CAPTION = (
    "Bars: 95 % intervals over questions. n: problems of the bin; those with fewer than "
    f"{bins.LEAST} are merged with their neighbours."
)


def difficulty_cards(runs: Sequence[RunRecord], palette: Mapping[str, int]) -> list[str]:
    """Accuracy by the number of reference steps and by the reference's length."""
    by_arm, names, cards = _scores_by_arm(runs, palette), arm_names(runs), []
    for key, (title, x_label, binned) in _CHARTS.items():
        problems = {row["id"]: row[key] for rows in by_arm.values() for row in rows}
        found = binned(list(problems.values()))
        series = [
            svg.Series(names(arm), points_by_bin(rows, key, found), palette[arm])
            for arm, rows in by_arm.items()
        ]
        if len(found) > 1:
            ticks = {
                float(i): f"{one.label}\n{_count(by_arm, key, one)}" for i, one in enumerate(found)
            }
            chart = svg.line_chart(series, x_label, "accuracy", axes.percent, x_names=ticks)
            cards.append(card(chart, title, _CAPTION))
    return cards


def _scores_by_arm(runs: Sequence[RunRecord], palette: Mapping[str, int]) -> dict[str, Scores]:
    """For each arm a row per question: steps, words, share of correct answers over its seeds."""
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for run in runs:
        for stage in greedy_evaluations(run):
            for row in read_predictions(stage):
                key = f"{run.name}\0{row['id']}"
                found.setdefault(stage.arm, {}).setdefault(key, []).append(row)
    return {
        arm: [_merged(rows) for rows in found[arm].values()]
        for arm in sorted(found, key=palette.__getitem__)
    }


def _merged(rows: Scores) -> dict[str, Any]:
    correct = [value for row in rows for value in row["correct"]]
    named = {name: rows[0][name] for name in ("id", "steps", "words")}
    return {**named, "share": sum(correct) / len(correct)}


def _count(by_arm: Mapping[str, Scores], key: str, one: Bin) -> str:
    """How many problems a bin has; a range where the arms were measured on different ones."""
    counts = [len({row["id"] for row in rows if row[key] in one}) for rows in by_arm.values()]
    few, many = min(counts), max(counts)
    return f"n {few:,}" if few == many else f"n {few:,}–{many:,}"


def points_by_bin(rows: Scores, key: str, found: Sequence[Bin]) -> list[svg.Point]:
    """A point per bin that has problems, with its interval; x is the bin's index."""
    points = []
    for index, one in enumerate(found):
        if shares := [row["share"] for row in rows if row[key] in one]:
            measured = mean_with_ci(shares)
            points.append(svg.Point(index, measured["value"], *measured["ci95"]))
    return points
