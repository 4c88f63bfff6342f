"""The section on sampling: verdicts and distinct paths, from the statistics of `rft collect`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from rft_jax.records import VERDICTS
from rft_jax.report import axes, svg
from rft_jax.report.bars import histogram, stacked_bars
from rft_jax.report.collected import Collected, num_samples, widest
from rft_jax.report.html import Section, card, charts, spaced
from rft_jax.report.runs import arm_names
from rft_jax.report.tables import Cell, Table

# The dedup levels, finest first, with their names on the page.
DEDUP_LEVELS = {
    "exact_text": "text",
    "equations": "equation list",
    "canonical": "equation list, operands in any order",
    "unordered": "equations in any order",
    "program": "program, variables renamed",
    "trace": "operations executed",
}
_SUSPICIOUS_SHOWN = 15
_KINDS_SHOWN = 6


def sampling_section(
    collected: Sequence[Collected], palette: Mapping[str, int], linked: Collection[str] = ()
) -> Section:
    """Verdicts of the samples, kept paths, and distinct paths and solved problems against k.

    Args:
      collected: the collect stages.
      palette: arm -> number of its colour.
      linked: ids of the problems that the browser of samples has, which lead there.
    """
    cards = [
        _verdict_card(collected),
        _kept_card(collected, palette),
        _distinct_card(collected),
        _solved_card(collected, palette),
    ]
    tables = _finders_card(collected) + _programs_card(collected)
    tables += _suspicious_card(collected, linked)
    return Section("sampling", "Sampling", charts(cards) + tables)


def _verdict_card(collected: Sequence[Collected]) -> str:
    """A bar per model of a run, of the stage with the most of its samples."""
    most: dict[tuple[str, str], Mapping[str, int]] = {}
    for one in collected:
        for model, of_model in one.stats["models"].items():
            named, verdicts = (model, one.run.name), of_model["verdicts"]
            if sum(verdicts.values()) > sum(most.get(named, {}).values()):
                most[named] = verdicts
    rows: dict[str, Mapping[str, int]] = {}
    for (model, run), verdicts in most.items():
        if verdicts not in rows.values():  # of two runs with the same samples
            rows[f"{model} ({run})" if model in rows else model] = verdicts
    present = [v for v in reversed(VERDICTS) if any(counts.get(v) for counts in rows.values())]
    if not present:
        return ""
    classes = {verdict: f"c{VERDICTS[verdict].colour}" for verdict in present}
    keys = {verdict.replace("_", " "): VERDICTS[verdict].colour for verdict in present}
    caption = "Shares of all samples; the verdict is the first fault found."
    return card(stacked_bars(rows, classes) + svg.legend(keys), "Verdicts", caption)


def _kept_card(collected: Sequence[Collected], palette: Mapping[str, int]) -> str:
    kept: dict[str, Counter[int]] = {}
    names = arm_names(one.run for one in collected)
    for one in collected:
        if one.is_deduplicated:
            counts = one.stats["paths"]["problems_by_sampled"]
            here = kept.setdefault(one.stage.arm, Counter())
            here.update({int(paths): problems for paths, problems in counts.items()})
    groups = [(names(arm), counts, palette[arm]) for arm, counts in kept.items()]
    chart = histogram(groups, "kept sampled paths", "problems")
    caption = "Not counting the reference solution of each problem; all seeds together."
    return card(chart, "Kept paths per problem", caption + _copies(collected))


def _copies(collected: Sequence[Collected]) -> str:
    """How many of the kept paths are new; nothing for statistics of earlier versions."""
    paths = [one.stats["paths"] for one in collected if one.is_deduplicated]
    counted = [one for one in paths if "copies_of_reference" in one]
    copies = sum(one["copies_of_reference"] for one in counted)
    if not copies:
        return ""
    kept = sum(one["sampled"] for one in counted)
    return (
        f" Of {kept:,} kept paths {kept - copies:,} are new; {copies:,} have the equations of the "
        "reference solution."
    )


def _distinct_card(collected: Sequence[Collected]) -> str:
    """A line per dedup level, the mean over the collect stages with the most samples.

    Others would enter the mean at some k alone, and leave it with a step.
    """
    every = [one for one in widest(collected) if one.is_deduplicated]
    most = max(map(num_samples, every), default=0)
    curves = [one.stats["distinct@k"] for one in every if num_samples(one) == most]
    lines = [
        svg.Series(name, _mean_curve([curve[level] for curve in curves if level in curve]), colour)
        for colour, (level, name) in enumerate(DEDUP_LEVELS.items())
    ]
    chart = svg.line_chart(
        lines, "samples per problem (k)", "distinct correct paths", log_x=True, zero=True
    )
    caption = "Per problem and dedup level; mean over all subsets of k samples."
    return card(chart, "Distinct paths against k", caption)


def _solved_card(collected: Sequence[Collected], palette: Mapping[str, int]) -> str:
    """A line per arm: the share of problems with a correct path, the mean over its seeds."""
    curves: dict[str, list[Sequence[Mapping[str, float]]]] = {}
    names = arm_names(one.run for one in collected)
    for one in collected:
        if one.is_deduplicated:
            curves.setdefault(one.stage.arm, []).append(one.stats["pass@k"])
    lines = [
        svg.Series(names(arm), _mean_curve(many), palette[arm]) for arm, many in curves.items()
    ]
    chart = svg.line_chart(
        lines, "samples per problem (k)", "problems with a correct path", axes.percent, log_x=True
    )
    caption = "A path is correct when its answer and all its equations are (unbiased pass@k)."
    return card(chart, "Problems solved against k", caption + _sampled_models(collected, names))


def _sampled_models(collected: Sequence[Collected], names: Callable[[str], str]) -> str:
    """Which models wrote the samples of each line: not the model that is trained on them."""
    models: dict[str, dict[str, None]] = {}
    for one in collected:
        if one.is_deduplicated:
            found = dict.fromkeys(one.stats.get("models", ()))
            models.setdefault(names(one.stage.arm), {}).update(found)
    texts = [f"{name}: {', '.join(found)}" for name, found in models.items() if found]
    return f" Sampled from {'; '.join(texts)}." if texts else ""


def _mean_curve(curves: Sequence[Sequence[Mapping[str, float]]]) -> list[svg.Point]:
    """Points of (k, mean over the curves that have this k)."""
    values: dict[float, list[float]] = {}
    for curve in curves:
        for at in curve:
            values.setdefault(at["k"], []).append(at["value"])
    return [svg.Point(k, sum(v) / len(v)) for k, v in sorted(values.items())]


def _finders_card(collected: Sequence[Collected]) -> str:
    """For each merged collection: a model's distinct correct paths, and those of no other model."""
    cells = [
        [
            Cell(one.run.arm_name(one.stage.arm)),
            Cell(model),
            Cell(f"{of_model['distinct']:,}"),
            Cell(f"{of_model['distinct_alone']:,}"),
        ]
        for one in collected
        for model, of_model in one.stats["models"].items()
        if len(one.stats["models"]) > 1
    ]
    table = Table(["Union", "Model", "Distinct correct paths", "Of no other model"], cells).html()
    return spaced(card(table, "What each model contributes"))


def _programs_card(collected: Sequence[Collected]) -> str:
    """How many programs ran, and what stopped the others."""
    cells = [
        [
            Cell(one.run.arm_name(one.stage.arm)),
            Cell(f"{programs['samples']:,}"),
            Cell(f"{programs['correct']:,}", f"exactly: {programs['correct_exactly']:,}"),
            Cell(_listed(programs["errors"])),
            Cell(_listed(programs["unsupported"])),
        ]
        for one in collected
        if (programs := one.stats.get("programs"))
    ]
    table = Table(["Programs of", "Samples", "Correct", "Errors", "Unsupported"], cells).html()
    caption = "What is unsupported counts as unsolved; rft doctor lists it."
    return spaced(card(table, "Programs", caption))


def _listed(counts: Mapping[str, int]) -> str:
    most = list(counts.items())[:_KINDS_SHOWN]
    return ", ".join(f"{what} {number:,}" for what, number in most) or "none"


def suspicious_references(collected: Sequence[Collected]) -> list[Mapping[str, Any]]:
    """References that no sample agrees with while many agree on another answer."""
    by_problem: dict[str, Mapping[str, Any]] = {}
    for one in widest(collected):
        for row in one.stats.get("suspicious_references", ()):
            by_problem.setdefault(row["id"], row)
    return sorted(by_problem.values(), key=lambda row: -row["votes"] / row["samples"])


def suspicious_problems(collected: Sequence[Collected]) -> set[str]:
    """The ids of the problems in the table of suspicious references."""
    return {row["id"] for row in suspicious_references(collected)[:_SUSPICIOUS_SHOWN]}


def _suspicious_card(collected: Sequence[Collected], linked: Collection[str]) -> str:
    worst = suspicious_references(collected)
    cells = [
        [
            Cell(row["id"], is_problem=row["id"] in linked),
            Cell(row["reference"]),
            Cell(row["answer"], _votes(row)),
        ]
        for row in worst[:_SUSPICIOUS_SHOWN]
    ]
    table = Table(["Problem", "Reference", "Samples agree on"], cells).html()
    share = min((one.settings.get("suspicious_share", 0.5) for one in collected), default=0.5)
    caption = (
        f"{len(worst):,} problems, most agreement first. No sample agrees with the reference, "
        f"and at least {100 * share:.0f} % of them agree with each other: the reference may be "
        "incorrect, or the models share a mistake."
    )
    return spaced(card(table, "Suspicious references", caption))


def _votes(row: Mapping[str, Any]) -> str:
    return f"{row['votes']} of {row['samples']}"
