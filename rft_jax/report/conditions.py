"""Tables over the trainings of a condition: means and paired comparisons, each interval named."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rft_jax.evaluation.compare import claim, p_text
from rft_jax.report.runs import RunRecord
from rft_jax.report.tables import POINTS, Cell, Table, counted, measure, number, titles

BOTH = "95 %, method: trainings and questions"
TRAININGS = "95 %, method: t over trainings"
METHOD = (BOTH, TRAININGS)
QUESTIONS = "95 %, these models: questions"

NOTES = {
    "rows": "In brackets the 95 % interval over questions: it is about this model.",
    "conditions": (
        "Means over trainings. An interval of the method says where other trainings are expected: "
        "by a hierarchical bootstrap over trainings and questions, and by Student's t over these "
        "trainings, on these questions. The interval of these models is over questions alone."
    ),
    "models": (
        "One training each: the intervals, over questions, and p (McNemar's exact test for one "
        "answer per question, a t test otherwise) are about these models, not about the methods."
    ),
    "methods": (
        "Paired by training and question. p is about the method: the larger one of Student's t "
        "over trainings and of the hierarchical bootstrap over trainings and questions, so it is "
        "below 0.05 where neither of the two intervals contains 0. The interval of these models is "
        "over questions alone. A model with one training is compared with each of the other's."
    ),
    "holm": (
        "Holm's p is adjusted for the {count} comparisons of this page; intervals and p are each "
        "for one comparison."
    ),
}


def conditions_table(run: RunRecord, reading: bool = False) -> Table:
    """A row per condition of a run with several seeds: mean, intervals, each seed's accuracy.

    Args:
      reading: whether to add the mean shares of greedy responses without an answer and cut off.
    """
    seeds = sorted({row["seed"] for row in run.rows})
    has = {name for row in run.rows for name, value in row.items() if value is not None}
    counts = counted(has, reading)
    cells = []
    for one in run.conditions:
        rows = {row["seed"]: row for row in run.rows if row["model"] == one["model"]}
        line = [Cell(run.arm_name(one["model"])), Cell(f"{100 * one['value']:.1f} %")]
        line += _intervals(one, "{:.1f}")
        line += [_accuracy(rows.get(seed)) for seed in seeds]
        line += [number(_mean(rows.values(), name), name) for name in counts]
        cells.append(line)
    header = ["Model", "Accuracy, mean", BOTH, TRAININGS, QUESTIONS]
    header += [*(f"Seed {seed}" for seed in seeds), *titles(counts)]
    return Table(header, cells).without_empty(METHOD)


def comparison_table(runs: Sequence[RunRecord]) -> Table:
    """A row per paired comparison: the difference with its intervals, p-values, and each seed's."""
    several = len(runs) > 1
    rows = [(run, row) for run in runs for row in run.comparisons]
    methods, corrected = any(row.get("method") for _, row in rows), len(rows) > 1
    cells = []
    for run, row in rows:
        names = f"{run.arm_name(row['a'])} – {run.arm_name(row['b'])}"
        intervals = _intervals(row, "{:+.1f}")
        line = [Cell(names), *[Cell(run.name)] * several, Cell(f"{100 * row['difference']:+.1f}")]
        line += intervals if methods else intervals[-1:]
        line += [Cell(p_text(claim(row)["p_value"])), *[Cell(p_text(row["p_holm"]))] * corrected]
        if methods:
            line.append(Cell(", ".join(f"{100 * d:+.1f}" for d in row.get("by_seed", ()))))
        cells.append(line)
    header = ["Compared", *["Run"] * several, POINTS]
    header += [BOTH, TRAININGS, QUESTIONS] if methods else [QUESTIONS]
    header += ["p", *["p, Holm"] * corrected, *["By seed"] * methods]
    return Table(header, cells).without_empty(METHOD)


def comparison_note(runs: Sequence[RunRecord]) -> str:
    """What the intervals and p-values of the comparisons are about."""
    rows = [row for run in runs for row in run.comparisons]
    kinds = {"methods" if row.get("method") else "models" for row in rows}
    notes = [NOTES[kind] for kind in sorted(kinds)]
    if len(rows) > 1:
        notes.append(NOTES["holm"].format(count=len(rows)))
    return " ".join(notes)


def bracketed(bounds: Sequence[float] | None, style: str, scale: float = 100) -> str:
    """An interval as `[1.4, 14.1]`, in percentage points; a dash for none."""
    if not bounds:
        return "–"
    return f"[{', '.join(style.format(scale * bound) for bound in bounds)}]"


def _intervals(metric: Mapping[str, Any], style: str) -> list[Cell]:
    """The three columns of a mean or a difference."""
    method = metric.get("method") or {}
    found = method.get("ci95"), method.get("ci95_t"), metric.get("ci95")
    return [Cell(bracketed(bounds, style)) for bounds in found]


def _accuracy(row: Mapping[str, Any] | None) -> Cell:
    return Cell(f"{100 * measure(row)['value']:.1f} %" if row else "–")


def _mean(rows: Iterable[Mapping[str, Any]], name: str) -> float | None:
    values = [row[name] for row in rows if row.get(name) is not None]
    return sum(values) / len(values) if values else None
