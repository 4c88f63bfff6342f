"""The top of the page: the main result in words and as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from rft_jax.evaluation.intervals import mean_with_ci
from rft_jax.report.html import Section, card, folded, paragraph
from rft_jax.report.runs import RunRecord, greedy_evaluations, read_predictions
from rft_jax.report.tables import comparison_table, measure, p_text, results_table, seeds_table


def colours(runs: Sequence[RunRecord]) -> dict[str, int]:
    """Arm -> its colour number, the same in every chart."""
    names = dict.fromkeys(row["model"] for run in runs for row in run.rows)
    names |= dict.fromkeys(stage.arm for run in runs for stage in run.stages)
    return {name: i for i, name in enumerate(names)}


def headline(run: RunRecord) -> str:
    """The main result of a run in one or two sentences; empty without results."""
    if not run.rows:
        return ""
    compared = _main_comparison(run)
    if compared is None:
        best = max(run.rows, key=lambda row: measure(row)["value"])
        return f"{run.arm_name(best['model'])} solves {_share(measure(best))}."
    a, b = (_mean_accuracy(run, compared[side]) for side in "ab")
    n = measure(run.rows[0])["n"]
    low, high = (100 * bound for bound in compared["ci95"])
    seeds = len(compared.get("by_seed", ()))
    over = f" on average over {seeds} seeds" if seeds > 1 else ""
    return (
        f"Of {n:,} test problems, {run.arm_name(compared['a'])} solves {a:.1f} % and "
        f"{run.arm_name(compared['b'])} {b:.1f} %{over}: {_points(100 * compared['difference'])} "
        f"(95 % interval {low:+.1f} to {high:+.1f}, "
        f"p\u00a0{_equals(compared['p_value'])}). {_verdict(compared)}"
    )


def _points(difference: float) -> str:
    if abs(difference) < 0.05:
        return "no difference"
    return f"{abs(difference):.1f} percentage points {'higher' if difference > 0 else 'lower'}"


def _equals(p_value: float) -> str:
    text = p_text(p_value)
    return (text if text.startswith("<") else f"= {text}").replace(" ", "\u00a0")


def _verdict(compared: Mapping[str, Any]) -> str:
    if compared["p_value"] < 0.05:
        return "The difference is statistically significant (p < 0.05)."
    return "The difference is not statistically significant (p ≥ 0.05)."


def _main_comparison(run: RunRecord) -> Mapping[str, Any] | None:
    """RFT against SFT where that was compared; else the first comparison."""
    ranked = sorted(
        run.comparisons,
        key=lambda row: (row["a"], row["b"]) != ("rft", "sft"),
    )
    return ranked[0] if ranked else None


def _mean_accuracy(run: RunRecord, model: str) -> float:
    """In percent, over the model's seeds."""
    values = [measure(row)["value"] for row in run.rows if row["model"] == model]
    return 100 * sum(values) / len(values) if values else 0.0


def _share(metric: Mapping[str, Any]) -> str:
    low, high = (100 * bound for bound in metric["ci95"])
    return (
        f"{100 * metric['value']:.1f} % of {metric['n']:,} problems "
        f"(95 % interval {low:.1f} to {high:.1f})"
    )


def lead(runs: Sequence[RunRecord]) -> str:
    """The text under the heading: each run's main result, then the runs' notes."""
    parts = []
    for run in runs:
        name = f"<b>{escape(run.name)}.</b> " if len(runs) > 1 else ""
        text = headline(run)
        parts += [f'<p class="lead">{name}{escape(text)}</p>'] if text else []
    notes = dict.fromkeys(note for run in runs for note in run.notes if note)
    return "".join(parts + [paragraph(note, "soft") for note in notes])


def results_section(runs: Sequence[RunRecord]) -> Section:
    """The tables: metrics with their intervals, and paired comparisons."""
    if not any(run.rows for run in runs):
        return Section("results", "Results", "")
    table = "".join(_seeds_card(run) for run in runs if is_repeated(run)) + _all_rows(runs)
    return Section("results", "Results", table + _pairs(runs))


def is_repeated(run: RunRecord) -> bool:
    """Whether some model was trained with several seeds."""
    models = [row["model"] for row in run.rows]
    return len(set(models)) < len(models)


def mean_accuracies(run: RunRecord) -> dict[str, dict[str, Any]]:
    """Model -> its accuracy over all seeds, with a 95 % bootstrap interval over questions."""
    shares: dict[str, dict[str, list[bool]]] = {}
    for stage in greedy_evaluations(run):
        by_question = shares.setdefault(stage.arm, {})
        for row in read_predictions(stage):
            by_question.setdefault(row["id"], []).extend(row["correct"])
    return {
        arm: mean_with_ci([sum(right) / len(right) for right in by_question.values()])
        for arm, by_question in shares.items()
    }


def _seeds_card(run: RunRecord) -> str:
    caption = (
        "Accuracy with its 95 % interval in brackets: a bootstrap over questions, the seeds of a "
        "question together (Wilson's where there is one seed)."
    )
    return card(seeds_table(run, mean_accuracies(run)).html(), caption=caption)


def _all_rows(runs: Sequence[RunRecord]) -> str:
    caption = (
        "In brackets the 95 % interval: Wilson's for one answer a question, a bootstrap over "
        "questions otherwise."
    )
    table = results_table(runs).html()
    if all(is_repeated(run) for run in runs if run.rows):
        return card(folded("Every seed with its interval", table))
    return card(table, caption=caption)


def _pairs(runs: Sequence[RunRecord]) -> str:
    if not any(run.comparisons for run in runs):
        return ""
    caption = (
        "Difference of accuracies, paired by question, with its 95 % bootstrap interval over "
        "questions. p: McNemar's exact test for one seed; for several seeds, the exact sign-flip "
        "test on each question's mean difference. Both generalise to other questions for these "
        "trained models; the differences by seed show the variation between training runs."
    )
    return card(comparison_table(runs).html(), "Paired comparisons", caption)
