"""The section on the models: accuracy, accuracy by difficulty, training loss, majority votes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rft_jax.files.jsonl import read_json, read_rows
from rft_jax.files.names import METRICS_FILE, STEPS_FILE
from rft_jax.report import axes, svg
from rft_jax.report.difficulty import difficulty_cards
from rft_jax.report.html import Section, card, charts
from rft_jax.report.runs import RunRecord
from rft_jax.report.tables import measure

# The most points of a curve; each is the mean over a stretch of steps.
_CURVE_POINTS = 80
# Metric of a training -> title, caption, and how its axis is labelled.
_OF_TRAINING: dict[str, tuple[str, str, str, axes.Format]] = {
    "loss": (
        "Training loss",
        "Mean loss over response tokens, averaged over neighbouring steps.",
        "nats per token",
        axes.plain,
    ),
    "eval_loss": (
        "Held-out loss",
        "Of train.eval_data, which is not trained on.",
        "nats per token",
        axes.plain,
    ),
    "eval_accuracy": (
        "Held-out accuracy during training",
        "Greedy, on problems of train.eval_data.",
        "accuracy",
        axes.percent,
    ),
}


def thin(rows: Sequence[Mapping[str, Any]], name: str) -> list[svg.Point]:
    """(step, mean of a metric over a stretch of steps); NaN and infinite values are left out."""
    values = [
        (row["step"], float(row[name]))
        for row in rows
        if isinstance(row.get(name), int | float) and math.isfinite(row[name])
    ]
    width = max(1, math.ceil(len(values) / _CURVE_POINTS))
    stretches = [values[i : i + width] for i in range(0, len(values), width)]
    return [
        svg.Point(stretch[-1][0], sum(value for _, value in stretch) / len(stretch))
        for stretch in stretches
    ]


def models_section(runs: Sequence[RunRecord], palette: Mapping[str, int]) -> Section:
    """Accuracy over all problems and by difficulty, training loss, majority votes."""
    caption = "One dot per training, with its 95 % interval over questions."
    cards = [card(accuracy_chart(runs, palette), "Accuracy", caption)]
    # More lines than colours cannot be told apart.
    if len({row["model"] for run in runs for row in run.rows}) <= svg.COLOURS:
        cards += [*difficulty_cards(runs, palette), *_training_cards(runs, palette)]
        cards += [_votes_card(runs, palette)]
    return Section("models", "The models", charts(cards))


def accuracy_chart(runs: Sequence[RunRecord], palette: Mapping[str, int]) -> str:
    """A row per arm, a dot with its 95 % interval per seed; empty without results.

    Args:
      runs: the runs, each named in its rows if there are several.
      palette: arm -> number of its colour.
    """
    grouped: dict[tuple[str, str, str], list[svg.Point]] = {}
    for run in runs:
        for row in run.rows:
            measured = measure(row)
            point = svg.Point(measured["value"], 0, *measured["ci95"])
            name = run.arm_name(row["model"])
            named = (f"{name} – {run.name}" if len(runs) > 1 else name, run.name, row["model"])
            grouped.setdefault(named, []).append(point)
    rows = [(name, points, palette[model]) for (name, _, model), points in grouped.items()]
    return svg.interval_chart(rows, "accuracy, with 95 % intervals over questions")


def _training_cards(runs: Sequence[RunRecord], palette: Mapping[str, int]) -> Iterator[str]:
    """For each metric a line per training run, an arm's seeds in one colour."""
    trainings = [
        (run, stage, [row for _, row in read_rows(stage.folder / STEPS_FILE)])
        for run in runs
        for stage in run.of("train")
    ]
    for name, (title, caption, y_label, labels) in _OF_TRAINING.items():
        lines = [
            svg.Series(run.arm_name(stage.arm), points, palette[stage.arm])
            for run, stage, rows in trainings
            if (points := thin(rows, name))
        ]
        if lines or name == "loss":
            chart = svg.line_chart(lines, "step", y_label, labels, marks=False)
            yield card(chart, title, caption)


def _votes_card(runs: Sequence[RunRecord], palette: Mapping[str, int]) -> str:
    """maj@k against k, a line per evaluation with `evaluate.curve`."""
    lines = []
    for run in runs:
        for stage in run.of("evaluate"):
            curve = read_json(stage.folder / METRICS_FILE).get("curve", ())
            points = [
                svg.Point(at["k"], at["maj@k"]["value"], *at["maj@k"]["ci95"])
                for at in sorted(curve, key=lambda at: at["k"])
            ]
            if len(points) > 1:
                lines.append(svg.Series(run.arm_name(stage.arm), points, palette[stage.arm]))
    chart = svg.line_chart(lines, "votes (k)", "maj@k", axes.percent, log_x=True)
    return card(chart, "Majority votes against k", "Mean over subsets of k samples, ties shared.")
