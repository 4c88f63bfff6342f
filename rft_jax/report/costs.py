"""The section on costs: FLOPs and seconds of a run; the paper's table by its formulas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rft_jax.planning.paper import paper_costs
from rft_jax.report.html import Section, card, folded
from rft_jax.report.published import SOURCE, paper_results
from rft_jax.report.runs import RunRecord
from rft_jax.report.tables import Cell, Table

COLUMNS = {"sft": "SFT", "rft_inference": "RFT, 100 samples", "rft_u33b": "RFT on U33B"}
_COMMANDS = ("train", "sample", "collect", "derive", "evaluate")


def costs_section(runs: Sequence[RunRecord]) -> Section:
    """A table per run by command, every stage folded beneath; the paper's costs, once."""
    with_costs = [run for run in runs if run.costs]
    parts = []
    for run in with_costs:
        title = f"Costs of {run.name}" if len(with_costs) > 1 else "Costs of this run"
        stages = folded("Every stage", stages_table(run).html())
        parts.append(card(costs_table(run).html() + stages, title, _CAPTION))
    if with_costs:
        table = paper_costs_table().html()
        parts.append(card(table, "The paper's table of costs, recomputed", _PAPER_CAPTION))
    return Section("costs", "Costs", "".join(parts))


_CAPTION = (
    "FLOPs: all matrix products, padding included in training, each prompt prefilled once per "
    "problem. The paper's formula: 6 N per trained token, 2 N per sampled token plus attention to "
    "its context, no embeddings, each prompt prefilled once per sample. Seconds: wall time of the "
    "stage's process, all its starts together; a stage that experiments share counts in each."
)
_PAPER_CAPTION = (
    f"FLOPs on GSM8K's 7,473 questions by the formulas of the paper's appendix ({SOURCE}), at 66 "
    "tokens per question and 130 per path, 3 epochs, 100 samples per question, 13.65 paths per "
    "question in U33B; in brackets the published value and the ratio of ours to it."
)


def costs_table(run: RunRecord) -> Table:
    """A row per command: stages, tokens, FLOPs by both formulas, seconds."""
    rows = run.costs["stages"]
    cells = []
    for command in _COMMANDS:
        members = [row for row in rows if row["command"] == command]
        if members:
            cells.append([Cell(command), Cell(f"{len(members)}"), *_amounts(members)])
    cells.append([Cell("all"), Cell(f"{len(rows)}"), *_amounts(rows)])
    return Table(["", "Stages", *_AMOUNTS], cells)


_AMOUNTS = ("Tokens", "FLOPs", "FLOPs, the paper's formula", "Seconds")


def stages_table(run: RunRecord) -> Table:
    """A row per stage."""
    cells = [[Cell(row["stage"]), *_amounts([row])] for row in run.costs["stages"]]
    return Table(["Stage", *_AMOUNTS], cells)


def _amounts(rows: Sequence[Mapping[str, Any]]) -> list[Cell]:
    tokens, flops, theirs = (
        sum(row[name] for row in rows) for name in ("tokens", "flops", "paper_flops")
    )
    seconds = [row["seconds"] for row in rows if row["seconds"] is not None]
    return [
        Cell(f"{tokens:,.0f}"),
        Cell(f"{flops:.2e}"),
        Cell(f"{theirs:.2e}"),
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
    """The costs by command, and the paper's table."""
    if not run.costs:
        return []
    return [
        "### Costs",
        costs_table(run).markdown(),
        "FLOPs of the paper's models, recomputed (in brackets: published value, ratio):",
        paper_costs_table().markdown(),
    ]
