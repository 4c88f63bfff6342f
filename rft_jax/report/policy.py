"""The section on policy training: its metrics against steps, and samples over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from rft_jax.files.jsonl import read_rows
from rft_jax.files.names import SAMPLES_FOLDER, STEPS_FILE
from rft_jax.records import LEDGER_FILE, read_samples, sample_files
from rft_jax.report import axes, svg
from rft_jax.report.curves import thin
from rft_jax.report.html import Section, card, charts, folded, paragraph
from rft_jax.report.runs import RunRecord, StageRecord

# Metric -> title, caption, and how its axis is labelled.
_CHARTS: dict[str, tuple[str, str, axes.Format]] = {
    "reward": ("Reward", "Mean over the samples of a step.", axes.plain),
    "accuracy": ("Accuracy of the samples", "At temperature 1.", axes.percent),
    "held_out_accuracy": ("Held-out accuracy", "Greedy, on problems not trained on.", axes.percent),
    "entropy": ("Entropy", "Nats per token.", axes.plain),
    "length_correct": ("Length of correct responses", "Mean tokens.", axes.plain),
    "length_incorrect": ("Length of incorrect responses", "Mean tokens.", axes.plain),
    "zero_variance": ("Zero-variance groups", "Problems with equal rewards.", axes.percent),
    "clip_share": ("Clip share", "Tokens whose ratio is clipped.", axes.percent),
    "capped_share": ("Capped share", "Tokens whose importance weight is the cap.", axes.percent),
    "teacher_kl": ("Divergence from the teacher", "Nats per token.", axes.plain),
    "kl": ("Divergence from the reference", "Nats per token.", axes.plain),
    "logprob_difference": (
        "Sampler against trainer",
        "Largest difference of a token's log-probability.",
        axes.plain,
    ),
}
_SHOWN_STEPS = 5  # of which samples are shown
_SHOWN_SAMPLES = 2  # of each


def policy_section(runs: Sequence[RunRecord]) -> Section:
    """A chart per metric, a line per training, seeds in one colour; then samples of some steps."""
    named = _named([(run, stage) for run in runs for stage in run.of("policy")])
    colours = {name: number for number, name in enumerate(dict.fromkeys(n for n, _ in named))}
    # More lines than colours cannot be told apart.
    named = [(name, stage) for name, stage in named if colours[name] < svg.COLOURS]
    rows = [(name, _metrics(stage)) for name, stage in named]
    cards = []
    for metric, (title, caption, labels) in _CHARTS.items():
        lines = [svg.Series(name, thin(of_one, metric), colours[name]) for name, of_one in rows]
        chart = svg.line_chart(lines, "step", title.lower(), labels, marks=False)
        cards.append(card(chart, title, caption))
    samples = "".join(_samples_over_time(name, stage) for name, stage in named)
    return Section("policy", "Policy training", charts(cards) + samples)


def _named(stages: Sequence[tuple[RunRecord, StageRecord]]) -> list[tuple[str, StageRecord]]:
    """Each training with the name of its condition, and of its run where others have one too."""
    runs: dict[str, set[str]] = {}
    for run, stage in stages:
        runs.setdefault(run.arm_name(stage.arm), set()).add(run.name)
    return [
        (f"{name} – {run.name}" if len(runs[name]) > 1 else name, stage)
        for run, stage in stages
        for name in [run.arm_name(stage.arm)]
    ]


def _metrics(stage: StageRecord) -> list[dict[str, Any]]:
    """The rows of `metrics.jsonl`, which are there from the first checkpoint on."""
    path = stage.folder / STEPS_FILE
    return [row for _, row in read_rows(path)] if path.exists() else []


def _samples_over_time(name: str, stage: StageRecord) -> str:
    files = sample_files(stage.folder / SAMPLES_FOLDER)
    last = len(files) - 1
    steps = sorted({last * index // max(_SHOWN_STEPS - 1, 1) for index in range(_SHOWN_STEPS)})
    found = {step: _first_samples(files[step]) for step in steps}
    rewards = _rewards(stage, {key for of_step in found.values() for key in of_step})
    body = "".join(
        f"{paragraph(f'step {step + 1}: {_said(rewards.get(key))}', 'soft')}"
        f"{paragraph(response, 'text')}"
        for step, of_step in found.items()
        for key, response in of_step.items()
    )
    title = name if stage.seed is None else f"{name}, seed {stage.seed}"
    return card(folded("Responses of the first, the last and steps between", body), title)


def _first_samples(file: Any) -> dict[tuple[str, int], str]:
    """(problem's id, sample) -> response of a step's first samples."""
    samples = islice(read_samples(file), _SHOWN_SAMPLES)
    return {(sample.id, sample.sample): sample.response for _, sample in samples}


def _rewards(
    stage: StageRecord, wanted: set[tuple[str, int]]
) -> dict[tuple[str, int], Mapping[str, Any]]:
    """The ledger's rows of some samples; none before the run is finished."""
    path = stage.folder / LEDGER_FILE
    rows = (row for _, row in read_rows(path)) if path.exists() else ()
    return {key: row for row in rows if (key := (row["id"], row["sample"])) in wanted}


def _said(row: Mapping[str, Any] | None) -> str:
    return "" if row is None else f"{row['verdict']}, reward {row['reward']}"
