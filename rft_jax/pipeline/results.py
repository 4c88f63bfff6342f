"""From finished stages to results.json: a row per model and seed, and paired comparisons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rft_jax.jsonl import read_json
from rft_jax.pipeline.settings import ARMS
from rft_jax.pipeline.stages import OutputOf, Stage
from rft_jax.records import read_paths

# What is asked of the figures: is the left one better than the right one?
COMPARISONS = (
    ("sft", "rho"),
    ("rft", "sft"),
    ("rft", "sft_steps"),
    ("rft", "rft_no_dedup"),
    ("rft", "rft_oracle"),
)


def make_results(root: Path, stages: Sequence[Stage]) -> dict[str, Any]:
    """What `results.json` holds, from the folders of finished stages."""
    measured = {(s.arm, s.seed): s for s in stages if s.command == "evaluate" and s.label != "vote"}
    votes = {(s.arm, s.seed): s for s in stages if s.label == "vote"}
    order = {arm: i for i, arm in enumerate(ARMS)}
    keys = sorted(measured, key=lambda key: (order.get(key[0], len(ARMS)), key[1]))
    rows = [_row(root, measured[key], votes.get(key)) for key in keys]
    comparisons = [
        {"a": a, "b": b, **_compare(root, measured, a, b)}
        for a, b in COMPARISONS
        if any(arm == a for arm, _ in measured) and any(arm == b for arm, _ in measured)
    ]
    return {"rows": rows, "comparisons": comparisons}


def _row(root: Path, stage: Stage, vote: Stage | None) -> dict[str, Any]:
    metrics = read_json(root / stage.folder / "metrics.json")
    voted = read_json(root / vote.folder / "metrics.json") if vote else {}
    right = "accuracy" if "accuracy" in metrics else "mean@1"
    return {
        "model": stage.arm,
        "seed": stage.seed,
        **_training_data(root, stage),
        right: metrics[right],
        "maj@k": voted.get("maj@k"),
        "pass@k": voted.get("pass@k"),
        "k": voted.get("k"),
    }


def _training_data(root: Path, stage: Stage) -> dict[str, Any]:
    """Rows the evaluated model was trained on; how many different sampled paths a problem has."""
    model = stage.arguments["--model"]
    if not isinstance(model, OutputOf):
        return {"train_rows": 0, "distinct_paths_per_problem": None}
    training = model.stage
    manifest = read_json(root / training.folder / "data.json")
    rows = manifest["examples"] - manifest["dropped"]
    data = training.arguments["--data"]
    if not isinstance(data, OutputOf):
        return {"train_rows": rows, "distinct_paths_per_problem": None}
    paths = [path for _, path in read_paths(root / data.resolve(root))]
    sampled = {(path.id, path.equations) for path in paths if path.origin == "sampled"}
    problems = {path.id for path in paths}
    return {"train_rows": rows, "distinct_paths_per_problem": len(sampled) / len(problems)}


def _compare(
    root: Path, measured: Mapping[tuple[str, int], Stage], a: str, b: str
) -> dict[str, Any]:
    """The paired test of two arms, over all seeds; an arm that was run once stands for each."""
    from rft_jax.evaluation.against import read_scores
    from rft_jax.evaluation.compare import compare

    pairs = [(measured[a, seed], _of(measured, b, seed)) for arm, seed in measured if arm == a]
    scores = [[read_scores(root / stage.folder) for stage in pair] for pair in pairs]
    return compare([x for x, _ in scores], [y for _, y in scores])


def _of(measured: Mapping[tuple[str, int], Stage], arm: str, seed: int) -> Stage:
    same_arm = {s: stage for (name, s), stage in measured.items() if name == arm}
    return same_arm.get(seed) or next(iter(same_arm.values()))


def results_text(root: Path) -> str:
    """Tables of a run's results for the terminal, and what they say in a sentence."""
    from rft_jax.report.overview import headline
    from rft_jax.report.runs import read_run
    from rft_jax.report.tables import comparison_table, results_table

    run = read_run(str(root))
    tables = [results_table([run]), *([comparison_table([run])] if run.comparisons else [])]
    texts = [_aligned([table.header, *map(_texts, table.rows)]) for table in tables]
    return "\n\n".join([*texts, headline(run), *run.notes])


def _texts(row: Sequence[Any]) -> list[str]:
    return [f"{cell.text} {cell.small}".strip() for cell in row]


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(text.ljust(w) if i == 0 else text.rjust(w) for i, (text, w) in enumerate(cells))
        for cells in (list(zip(line, widths, strict=True)) for line in lines)
    )
