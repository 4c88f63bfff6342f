"""The top of the page: the main result in words and as tables."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from rft_jax.report.cautions import cautions
from rft_jax.report.conditions import NOTES, comparison_note, comparison_table, conditions_table
from rft_jax.report.headline import headline
from rft_jax.report.html import Section, card, folded, paragraph
from rft_jax.report.runs import RunRecord
from rft_jax.report.tables import results_table
from rft_jax.report.unfinished import progress_html


def colours(runs: Sequence[RunRecord]) -> dict[str, int]:
    """Arm -> its colour number, the same in every chart."""
    names = dict.fromkeys(row["model"] for run in runs for row in run.rows)
    names |= dict.fromkeys(stage.arm for run in runs for stage in run.stages)
    return {name: i for i, name in enumerate(names)}


def lead(runs: Sequence[RunRecord]) -> str:
    """The text under the heading: each run's main result, then the runs' notes."""
    parts = []
    for run in runs:
        name = f"<b>{escape(run.name)}.</b> " if len(runs) > 1 else ""
        going = progress_html(run)
        # The best of the models so far says nothing yet.
        text = headline(run) if run.comparisons or not going else ""
        parts += [going]
        parts += [paragraph(f"{run.name}: {one}" if name else one) for one in cautions(run)]
        parts += [f'<p class="lead">{name}{escape(text)}</p>'] if text else []
    notes = dict.fromkeys(note for run in runs for note in run.notes if note)
    return "".join(parts + [paragraph(note, "soft") for note in notes])


def results_section(runs: Sequence[RunRecord]) -> Section:
    """The tables: metrics with their intervals, and paired comparisons."""
    if not any(run.rows for run in runs):
        return Section("results", "Results", "")
    names = [run.name if len(runs) > 1 else "" for run in runs]
    repeated = [(run, name) for run, name in zip(runs, names, strict=True) if is_repeated(run)]
    table = "".join(_conditions_card(run, name) for run, name in repeated) + _all_rows(runs)
    return Section("results", "Results", table + _pairs(runs))


def is_repeated(run: RunRecord) -> bool:
    """Whether some model was trained with several seeds."""
    models = [row["model"] for row in run.rows]
    return bool(run.conditions) and len(set(models)) < len(models)


def _conditions_card(run: RunRecord, title: str) -> str:
    return card(conditions_table(run, reading=True).html(), title, caption=NOTES["conditions"])


def _all_rows(runs: Sequence[RunRecord]) -> str:
    table = results_table(runs, reading=True).html()
    if all(is_repeated(run) for run in runs if run.rows):
        return card(folded("Every seed with its interval", table), caption=NOTES["rows"])
    return card(table, caption=NOTES["rows"])


def _pairs(runs: Sequence[RunRecord]) -> str:
    return card(comparison_table(runs).html(), "Paired comparisons", comparison_note(runs))
