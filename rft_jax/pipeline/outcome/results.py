"""From finished stages to results.json: a row per model and seed, paired comparisons, plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rft_jax.derive.write import PATHS_FILE
from rft_jax.files.jsonl import read_json
from rft_jax.pipeline.measures import LossAt, Measured
from rft_jax.pipeline.outcome.points import plot_data
from rft_jax.pipeline.plan import Plan
from rft_jax.pipeline.stages import OutputOf, Stage
from rft_jax.records import read_paths

Scores = Mapping[str, Any]


def make_results(root: Path, plan: Plan) -> dict[str, Any]:
    """The content of `results.json`, from the folders of finished stages."""
    order = list(dict.fromkeys(one.arm for one in plan.measured))
    measured = sorted(plan.measured, key=lambda one: (order.index(one.arm), one.seed))
    rows = [_row(root, one) for one in measured]
    comparisons = [{"a": a, "b": b, **_compare(root, measured, a, b)} for a, b in plan.comparisons]
    results = {"experiment": plan.settings.experiment, "rows": rows, "comparisons": comparisons}
    if plan.plots:
        results["figures"] = [plot_data(root, plot, measured, rows) for plot in plan.plots]
    return results


def _row(root: Path, one: Measured) -> dict[str, Any]:
    metrics = read_json(root / one.greedy.folder / "metrics.json")
    voted = read_json(root / one.vote.folder / "metrics.json") if one.vote else {}
    accuracy = "accuracy" if "accuracy" in metrics else "mean@1"
    return {
        "model": one.arm,
        "seed": one.seed,
        "label": one.label,
        **{name: _fact(root, fact) for name, fact in one.facts.items()},
        **_training_data(root, one.greedy),
        accuracy: metrics[accuracy],
        "maj@k": voted.get("maj@k"),
        "pass@k": voted.get("pass@k"),
        "k": voted.get("k"),
    }


def _fact(root: Path, fact: Any) -> Any:
    return fact.read(root) if isinstance(fact, LossAt) else fact


def _training_data(root: Path, stage: Stage) -> dict[str, Any]:
    """The columns that describe what the evaluated model was trained on.

    `train_rows`; for collected paths `distinct_paths_per_problem`, the distinct equation lists of a
    problem's sampled paths, and `paths_per_problem`, the same including the reference solution, as
    the paper counts.
    """
    model = stage.arguments["--model"]
    if not isinstance(model, OutputOf) or model.file:  # a pretraining's checkpoint
        return {"train_rows": 0, "distinct_paths_per_problem": None}
    training = model.stage
    manifest = read_json(root / training.folder / "data.json")
    rows = manifest["examples"] - manifest["dropped"]
    data = training.arguments["--data"]
    if not isinstance(data, OutputOf) or data.file != PATHS_FILE:
        return {"train_rows": rows, "distinct_paths_per_problem": None}
    paths = [path for _, path in read_paths(root / str(data.resolve(root)))]
    every = {(path.id, path.equations) for path in paths}
    sampled = {(path.id, path.equations) for path in paths if path.origin == "sampled"}
    problems = len({path.id for path in paths})
    return {
        "train_rows": rows,
        "distinct_paths_per_problem": len(sampled) / problems,
        "paths_per_problem": len(every) / problems,
    }


def _compare(root: Path, measured: Sequence[Measured], a: str, b: str) -> dict[str, Any]:
    """The paired test of two conditions over all seeds.

    A condition with one seed (the pretrained model) is compared with each seed of the other.
    """
    from rft_jax.evaluation.against import read_scores
    from rft_jax.evaluation.compare import compare

    stages = {(one.arm, one.seed): one.greedy for one in measured}
    pairs = [(stages[a, seed], _of(stages, b, seed)) for arm, seed in stages if arm == a]
    scores = [[read_scores(root / stage.folder) for stage in pair] for pair in pairs]
    return compare([x for x, _ in scores], [y for _, y in scores])


def _of(stages: Mapping[tuple[str, int], Stage], arm: str, seed: int) -> Stage:
    same_arm = {s: stage for (name, s), stage in stages.items() if name == arm}
    return same_arm.get(seed) or next(iter(same_arm.values()))


def results_text(plan: Plan, results: Mapping[str, Any]) -> str:
    """Tables of a run's results for the terminal, and the main result in a sentence."""
    from rft_jax.report.overview import headline
    from rft_jax.report.runs import RunRecord
    from rft_jax.report.tables import comparison_table, results_table

    labels = {one.arm: one.label for one in plan.measured}
    rows, comparisons = tuple(results["rows"]), tuple(results["comparisons"])
    run = RunRecord("", Path(), (), rows, comparisons, labels=labels)
    tables = [results_table([run]), *([comparison_table([run])] if comparisons else [])]
    texts = [_aligned([table.header, *map(_texts, table.rows)]) for table in tables]
    return "\n\n".join(filter(None, [*texts, headline(run), plan.settings.notes]))


def _texts(row: Sequence[Any]) -> list[str]:
    return [f"{cell.text} {cell.small}".strip() for cell in row]


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(text.ljust(w) if i == 0 else text.rjust(w) for i, (text, w) in enumerate(cells))
        for cells in (list(zip(line, widths, strict=True)) for line in lines)
    )
