"""The section on what sampling found: verdicts and distinct paths, from what collecting counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rft_jax.files.jsonl import read_json
from rft_jax.records import VERDICTS
from rft_jax.report import svg
from rft_jax.report.html import Section, card, charts
from rft_jax.report.runs import Run, Stage, arm_names, read_settings
from rft_jax.report.tables import Cell, Table

# The rungs of the dedup ladder, finest first, as they are called on the page.
RUNG_NAMES = {
    "exact_text": "text",
    "equations": "equation list",
    "canonical": "equation list, operands in any order",
    "unordered": "equations in any order",
}
_SUSPICIOUS_SHOWN = 15
_VERDICT_COLOURS = {
    "correct": "c2",
    "wrong_answer": "c1",
    "wrong_equation": "c4",
    "malformed_equation": "c3",
    "no_answer": "c7",
    "truncated": "c5",
    "timeout": "c6",
}


@dataclass(frozen=True)
class Collected:
    """A collect stage with its `stats.json` and the settings it was made with."""

    run: Run
    stage: Stage
    stats: Mapping[str, Any]
    settings: Mapping[str, Any]

    @property
    def is_deduplicated(self) -> bool:
        """Whether paths were compared at all."""
        return self.settings.get("dedup") != "none"


def read_collected(runs: Sequence[Run]) -> list[Collected]:
    """The finished collect stages that made training data."""
    return [
        Collected(run, stage, read_json(stage.folder / "stats.json"), read_settings(stage.folder))
        for run in runs
        for stage in run.of("collect")
        if (stage.folder / "stats.json").exists() and stage.label != "test paths"
    ]


def sampling_section(collected: Sequence[Collected], palette: Mapping[str, int]) -> Section:
    """What became of the samples, how many paths were kept, and how that grows with k."""
    cards = [
        _verdict_card(collected),
        _kept_card(collected, palette),
        _distinct_card(collected),
        _solved_card(collected, palette),
    ]
    found = charts([one for one in cards if one])
    found += _finders_card(collected) + _suspicious_card(collected)
    return Section("sampling", "What sampling found", found)


def _verdict_card(collected: Sequence[Collected]) -> str:
    """A bar a model; samples that two stages share are shown once."""
    rows: dict[str, Mapping[str, int]] = {}
    for one in collected:
        for model, figures in one.stats["models"].items():
            if figures["verdicts"] not in rows.values():
                label = f"{model} ({one.run.name})" if model in rows else model
                rows[label] = figures["verdicts"]
    present = [v for v in reversed(VERDICTS) if any(counts.get(v) for counts in rows.values())]
    if not present:
        return ""
    classes = {verdict: _VERDICT_COLOURS[verdict] for verdict in present}
    keys = {v.replace("_", " "): int(css[1:]) for v, css in classes.items()}
    caption = "Shares of all samples; the verdict is the first fault found."
    return card(svg.stacked_bars(rows, classes) + svg.legend(keys), "Verdicts", caption)


def _kept_card(collected: Sequence[Collected], palette: Mapping[str, int]) -> str:
    kept: dict[str, Counter[int]] = {}
    names = arm_names(one.run for one in collected)
    for one in collected:
        if one.is_deduplicated:
            counts = one.stats["paths"]["problems_by_sampled"]
            here = kept.setdefault(one.stage.arm, Counter())
            here.update({int(paths): problems for paths, problems in counts.items()})
    groups = [(names(arm), counts, palette[arm]) for arm, counts in kept.items()]
    chart = svg.histogram(groups, "kept sampled paths", "problems")
    caption = "Beside the human path of each problem; all seeds together."
    return card(chart, "Kept paths per problem", caption) if chart else ""


def _distinct_card(collected: Sequence[Collected]) -> str:
    """A line a rung of the dedup ladder, the mean over all collections that compared paths."""
    curves = [one.stats["distinct@k"] for one in collected if one.is_deduplicated]
    lines = []
    for colour, (rung, name) in enumerate(RUNG_NAMES.items()):
        points = _mean_curve([curve[rung] for curve in curves if rung in curve])
        if points:
            lines.append(svg.Series(name, points, colour))
    if not lines:
        return ""
    chart = svg.line_chart(
        lines, "samples a problem (k)", "distinct right paths", log_x=True, zero=True
    )
    caption = "Per problem, by what counts as the same; averaged over all choices of k samples."
    return card(chart, "Distinct paths against k", caption)


def _solved_card(collected: Sequence[Collected], palette: Mapping[str, int]) -> str:
    """A line an arm: the share of problems with a right path, the mean over its seeds."""
    curves: dict[str, list[Sequence[Mapping[str, float]]]] = {}
    names = arm_names(one.run for one in collected)
    for one in collected:
        if one.is_deduplicated:
            curves.setdefault(one.stage.arm, []).append(one.stats["pass@k"])
    lines = [
        svg.Series(names(arm), points, palette[arm])
        for arm, many in curves.items()
        if (points := _mean_curve(many))
    ]
    if not lines:
        return ""
    chart = svg.line_chart(
        lines, "samples a problem (k)", "problems with a right path", svg.percent, log_x=True
    )
    caption = "A path is right when its answer and all of its equations are (unbiased pass@k)."
    return card(chart, "Problems solved against k", caption)


def _mean_curve(curves: Sequence[Sequence[Mapping[str, float]]]) -> list[svg.Point]:
    """Points of (k, mean over the curves that have this k)."""
    values: dict[float, list[float]] = {}
    for curve in curves:
        for at in curve:
            values.setdefault(at["k"], []).append(at["value"])
    return [svg.Point(k, sum(v) / len(v)) for k, v in sorted(values.items())]


def _finders_card(collected: Sequence[Collected]) -> str:
    """What each model brought to each union: its different right paths, and those of no other."""
    cells = [
        [
            Cell(one.run.arm_name(one.stage.arm)),
            Cell(model),
            Cell(f"{figures['distinct']:,}"),
            Cell(f"{figures['distinct_alone']:,}"),
        ]
        for one in collected
        for model, figures in one.stats["models"].items()
        if len(one.stats["models"]) > 1
    ]
    if not cells:
        return ""
    table = Table(["Union", "Model", "Different right paths", "Found by no other"], cells).html()
    return f'<div class="spaced">{card(table, "What each model contributes")}</div>'


def _suspicious_card(collected: Sequence[Collected]) -> str:
    """References that no sample agrees with while most samples agree on another answer."""
    found: dict[str, Mapping[str, Any]] = {}
    for one in collected:
        for row in one.stats.get("suspicious_references", ()):
            found.setdefault(row["id"], row)
    if not found:
        return ""
    worst = sorted(found.values(), key=lambda row: -row["votes"] / row["samples"])
    cells = [
        [Cell(row["id"]), Cell(row["reference"]), Cell(row["answer"], _votes(row))]
        for row in worst[:_SUSPICIOUS_SHOWN]
    ]
    table = Table(["Problem", "Reference", "Samples agree on"], cells).html()
    caption = (
        f"{len(found):,} problems, those with the most agreement first. No sample agrees with the "
        "reference and at least half of them agree with each other: the reference may be wrong, "
        "or the models share a mistake."
    )
    return f'<div class="spaced">{card(table, "Suspicious references", caption)}</div>'


def _votes(row: Mapping[str, Any]) -> str:
    return f"{row['votes']} of {row['samples']}"
