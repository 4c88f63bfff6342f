"""From finished stages to results.json: a row per model and seed, paired comparisons, plots."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any

from rft_jax.evaluation.against import read_scores
from rft_jax.evaluation.compare import Scores, compare, with_holm
from rft_jax.evaluation.metrics import main_metric
from rft_jax.files.jsonl import read_json
from rft_jax.files.names import METRICS_FILE, TRAINING_DATA_FILE
from rft_jax.pipeline.measures import FromOutput, Measured, SamplesAt
from rft_jax.pipeline.outcome.conditions import condition_rows
from rft_jax.pipeline.outcome.points import plot_data
from rft_jax.pipeline.plan import Plan
from rft_jax.pipeline.stages import Argument, OutputOf
from rft_jax.records import PATHS_FILE, read_paths
from rft_jax.report.cautions import cautions
from rft_jax.report.conditions import NOTES, comparison_note, comparison_table, conditions_table
from rft_jax.report.headline import headline
from rft_jax.report.measured import READING
from rft_jax.report.overview import is_repeated
from rft_jax.report.runs import RunRecord
from rft_jax.report.tables import Table, results_table
from rft_jax.rft.dedup import content_key
from rft_jax.wordproblems.splits import SPLITS

# Characters of a column on the terminal, where its values and the words of its title are shorter.
_NARROW = 10


def make_results(root: Path, plan: Plan) -> dict[str, Any]:
    """The content of `results.json`, from the folders of finished stages."""
    order = list(dict.fromkeys(one.arm for one in plan.measured))
    measured = sorted(plan.measured, key=lambda one: (order.index(one.arm), one.seed))
    rows = [_row(root, one) for one in measured]
    results = {
        "experiment": plan.settings.experiment,
        "notes": plan.settings.notes,
        "problems": _problems(plan),
        "rows": rows,
        "conditions": condition_rows(root, measured),
        "comparisons": _comparisons(root, measured, plan.comparisons),
    }
    if plan.plots:
        results["figures"] = [plot_data(root, plot, measured, rows) for plot in plan.plots]
    return results


def _problems(plan: Plan) -> dict[str, Any]:
    """What was trained on and measured on; how many experiments were measured on that before."""
    name, _, split = plan.settings.test_problems.partition(":")
    before = SPLITS[split].experiments if name == "wordproblems" and split in SPLITS else 0
    return {
        "train": plan.settings.train_problems,
        "test": plan.settings.test_problems,
        "test_size": len(plan.test_list),
        "published_experiments": before,
    }


def _row(root: Path, one: Measured) -> dict[str, Any]:
    metrics = read_json(root / one.greedy.folder / METRICS_FILE)
    voted = read_json(root / one.vote.folder / METRICS_FILE) if one.vote else {}
    accuracy = main_metric(metrics)
    return {
        "model": one.arm,
        "seed": one.seed,
        "label": one.label,
        **{name: _fact(root, fact) for name, fact in one.facts.items()},
        **_training_data(root, one.model),
        accuracy: metrics[accuracy],
        "maj@k": voted.get("maj@k"),
        "pass@k": voted.get("pass@k"),
        "k": voted.get("k"),
        **{name: metrics[name] for name in READING if name in metrics},
    }


def _fact(root: Path, fact: Any) -> Any:
    return fact.read(root) if isinstance(fact, FromOutput) else fact


def _training_data(root: Path, model: Argument) -> dict[str, Any]:
    """The columns that describe what the evaluated model was trained on.

    `train_rows`, of a policy its samples; for collected paths, per problem:
    `new_paths_per_problem`, the distinct equation lists of sampled paths that are not the reference
    solution's; `distinct_paths_per_problem`, the same with copies of the reference solution as one;
    `paths_per_problem`, all with the reference solution, as the paper counts. The text stands in
    for equations where there are none.
    """
    if isinstance(model, OutputOf) and model.stage.command == "policy":
        step = int(model.file.rpartition("/")[2]) if model.file else None
        rows = SamplesAt(model.stage, step).read(root)
        return {"train_rows": rows, "distinct_paths_per_problem": None}
    if not isinstance(model, OutputOf) or model.file:  # a pretraining's checkpoint
        return {"train_rows": 0, "distinct_paths_per_problem": None}
    training = model.stage
    manifest = read_json(root / training.folder / TRAINING_DATA_FILE)
    rows = manifest["examples"] - manifest["dropped"]
    data = training.arguments["--data"]
    if not isinstance(data, OutputOf) or data.file != PATHS_FILE:
        return {"train_rows": rows, "distinct_paths_per_problem": None}
    paths = [path for _, path in read_paths(root / str(data.resolve(root)))]
    sampled, reference = (
        {(p.id, content_key(p.equations, p.response, p.form)) for p in paths if p.origin == origin}
        for origin in ("sampled", "human")
    )
    problems = len({path.id for path in paths})
    return {
        "train_rows": rows,
        "new_paths_per_problem": len(sampled - reference) / problems,
        "distinct_paths_per_problem": len(sampled) / problems,
        "paths_per_problem": len(sampled | reference) / problems,
    }


def _comparisons(
    root: Path, measured: Sequence[Measured], pairs: Sequence[tuple[str, str]]
) -> list[dict[str, Any]]:
    """The paired tests, each with its p-value adjusted for all of them (`p_holm`)."""
    scores: dict[str, dict[int, Scores]] = {}
    for one in measured:
        scores.setdefault(one.arm, {})[one.seed] = read_scores(root / one.greedy.folder)
    compared = [{"a": a, "b": b, **compare(scores[a], scores[b])} for a, b in pairs]
    return with_holm(compared)


def results_text(run: RunRecord) -> str:
    """Tables of a run's results for the terminal, what they are about, and the main result."""
    rows = results_table([run])
    parts = [
        *cautions(run),
        _text_of(rows if is_repeated(run) else rows.without("Seed")),
        NOTES["rows"],
    ]
    if is_repeated(run):
        parts += [_text_of(conditions_table(run)), NOTES["conditions"]]
    if run.comparisons:
        parts += [_text_of(comparison_table([run])), comparison_note([run])]
    return "\n\n".join(filter(None, [*parts, headline(run), *run.notes]))


def _text_of(table: Table) -> str:
    """The table in columns, the first to the left; long titles take several lines."""
    rows = [[f"{cell.text} {cell.small}".strip() for cell in row] for row in table.rows]
    needed = [max(_NARROW, *map(len, column)) for column in zip(*rows, strict=True)]
    titles = [
        wrap(title, width, break_long_words=False)
        for title, width in zip(table.header, needed, strict=True)
    ]
    height = max(map(len, titles))
    header = zip(*([""] * (height - len(title)) + title for title in titles), strict=True)
    lines = [*header, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            text.ljust(w) if i == 0 else text.rjust(w) for i, (text, w) in enumerate(cells)
        ).rstrip()
        for cells in (list(zip(line, widths, strict=True)) for line in lines)
    )
