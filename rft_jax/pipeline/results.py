"""From finished stages to results.json: a row per model and seed, and paired comparisons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rft_jax.jsonl import read_json
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
    measured = {(s.arm, s.seed): s for s in stages if s.command == "evaluate" and not s.label}
    votes = {(s.arm, s.seed): s for s in stages if s.label == "vote"}
    rows = [_row(root, stage, votes.get(key)) for key, stage in measured.items()]
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


def results_table(results: Mapping[str, Any]) -> str:
    """Rows and comparisons as text for the terminal."""
    lines = [f"{'model':<14}{'seed':>5}{'rows':>8}{'paths':>7}   accuracy (95 % interval)"]
    lines += [_row_line(row) for row in results["rows"]]
    for c in results["comparisons"]:
        low, high = c["ci95"]
        lines.append(
            f"{c['a']} - {c['b']}: {100 * c['difference']:+.1f} points"
            f" ({100 * low:+.1f} to {100 * high:+.1f}), p = {c['p_value']:.2g}, n = {c['n']}"
        )
    return "\n".join(lines)


def _row_line(row: Mapping[str, Any]) -> str:
    paths = row["distinct_paths_per_problem"]
    line = f"{row['model']:<14}{row['seed']:>5}{row['train_rows']:>8,}"
    right = row["accuracy"] if "accuracy" in row else row["mean@1"]
    line += f"{'' if paths is None else f'{paths:.2f}':>7}   {_figure(right)}"
    if row["k"]:
        line += (
            f"   maj@{row['k']} {_figure(row['maj@k'])}   pass@{row['k']} {_figure(row['pass@k'])}"
        )
    return line


def _figure(figure: Mapping[str, Any]) -> str:
    low, high = figure["ci95"]
    return f"{figure['value']:.1%} ({low:.1%} to {high:.1%})"
