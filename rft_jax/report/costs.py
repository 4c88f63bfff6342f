"""The section on costs: FLOPs and seconds of a run; on the paper's experiments, its own too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rft_jax.planning.paper import paper_costs
from rft_jax.report.html import Section, card, folded
from rft_jax.report.published import SOURCE, paper_results
from rft_jax.report.runs import RunRecord
from rft_jax.report.tables import Cell, Table

COLUMNS = {"sft": "SFT", "rft_inference": "RFT, 100 samples", "rft_u33b": "RFT on U33B"}
_COMMANDS = ("train", "policy", "sample", "collect", "derive", "evaluate")


def costs_section(runs: Sequence[RunRecord]) -> Section:
    """A table per run by command, every stage folded beneath.

    An experiment of the paper has FLOPs by the paper's formulas too, and once the paper's costs.
    """
    with_costs = [run for run in runs if run.costs]
    parts = []
    for run in with_costs:
        title = f"Costs of {run.name}" if len(with_costs) > 1 else "Costs of this run"
        stages = folded("Every stage", stages_table(run).html())
        caption = _CAPTION.format(formulas=_FORMULAS if is_of_the_paper(run) else "")
        parts.append(card(costs_table(run).html() + stages, title, caption))
    if any(map(is_of_the_paper, with_costs)):
        table = paper_costs_table().html()
        parts.append(card(table, "The paper's table of costs, recomputed", _PAPER_CAPTION))
    return Section("costs", "Costs", "".join(parts))


def is_of_the_paper(run: RunRecord) -> bool:
    """Whether a run is one of the paper's experiments: a plot of it has a published one."""
    return any(plot.get("paper") for plot in run.plots)


_CAPTION = (
    "FLOPs: all matrix products, padding included in training, each prompt prefilled once per "
    "problem. {formulas}Seconds: wall time of the stage's process, all its starts together; a "
    "stage that experiments share counts in each."
)
_FORMULAS = (
    "The paper's formula: 6 N per trained token, 2 N per sampled token plus attention to its "
    "context, no embeddings, each prompt prefilled once per sample. "
)
_PAPER_CAPTION = (
    f"FLOPs on GSM8K's 7,473 questions by the formulas of the paper's appendix ({SOURCE}), at 66 "
    "tokens per question and 130 per path, 3 epochs, 100 samples per question, 13.65 paths per "
    "question in U33B; in brackets the published value and the ratio of ours to it."
)


def costs_table(run: RunRecord) -> Table:
    """A row per command: stages, tokens, FLOPs, seconds."""
    rows, formula = run.costs["stages"], is_of_the_paper(run)
    cells = []
    for command in _COMMANDS:
        members = [row for row in rows if row["command"] == command]
        if members:
            cells.append([Cell(command), Cell(f"{len(members)}"), *_amounts(members, formula)])
    cells.append([Cell("all"), Cell(f"{len(rows)}"), *_amounts(rows, formula)])
    return Table(["", "Stages", *_titles(formula)], cells)


def stages_table(run: RunRecord) -> Table:
    """A row per stage."""
    formula = is_of_the_paper(run)
    cells = [[Cell(row["stage"]), *_amounts([row], formula)] for row in run.costs["stages"]]
    return Table(["Stage", *_titles(formula)], cells)


def _titles(formula: bool) -> list[str]:
    return ["Tokens", "FLOPs", *["FLOPs, the paper's formula"] * formula, "Seconds"]


def _amounts(rows: Sequence[Mapping[str, Any]], formula: bool) -> list[Cell]:
    """The cells of `_titles`, `formula` as there."""
    tokens, flops, theirs = (
        sum(row[name] for row in rows) for name in ("tokens", "flops", "paper_flops")
    )
    seconds = [row["seconds"] for row in rows if row["seconds"] is not None]
    return [
        Cell(f"{tokens:,.0f}"),
        Cell(f"{flops:.2e}"),
        *[Cell(f"{theirs:.2e}")] * formula,
        _seconds(seconds, len(rows)),
    ]


def _seconds(recorded: Sequence[float], stages: int) -> Cell:
    """The sum of the recorded seconds, with the number of stages that have some if not all do."""
    if not recorded:
        return Cell("–")
    missing = len(recorded) < stages
    return Cell(f"{sum(recorded):,.0f}", f"({len(recorded)} of {stages} stages)" if missing else "")


def paper_costs_table() -> Table:
    """A row per model: recomputed FLOPs, with the published value and the ratio."""
    published = paper_results()["flops"]
    cells = []
    for model, recomputed in paper_costs().items():
        column = published["columns"].index(model)
        line = [Cell(model)]
        for name in COLUMNS:
            ours, theirs = recomputed[name], published[name][column]
            line.append(Cell(f"{ours:.1e}", f"({theirs:.1e}, × {ours / theirs:.2f})"))
        cells.append(line)
    return Table(["Model", *COLUMNS.values()], cells)


def costs_markdown(run: RunRecord) -> list[str]:
    """The costs by command; of an experiment of the paper, the paper's table too."""
    if not run.costs:
        return []
    ours = ["### Costs", costs_table(run).markdown()]
    if not is_of_the_paper(run):
        return ours
    return [
        *ours,
        "FLOPs of the paper's models, recomputed (in brackets: published value, ratio):",
        paper_costs_table().markdown(),
    ]
