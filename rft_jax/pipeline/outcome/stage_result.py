"""What a finished stage resulted in, in a few words for the terminal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from rft_jax.errors import UserError
from rft_jax.evaluation.metrics import main_metric
from rft_jax.files.jsonl import read_json, read_rows
from rft_jax.files.names import METRICS_FILE, STATS_FILE, STEPS_FILE
from rft_jax.pipeline.measures import loss_at
from rft_jax.pipeline.stages import Stage
from rft_jax.progress import quantity


def stage_result(root: Path, stage: Stage) -> str:
    """The result of a finished stage; '' for one without, or whose files are of another version.

    Args:
      root: the run's folder.
    """
    describe = _RESULTS.get(stage.command)
    try:
        return describe(root / stage.folder) if describe else ""
    except (OSError, UserError, LookupError):
        return ""


def _training(folder: Path) -> str:
    rows = [row for _, row in read_rows(folder / STEPS_FILE)]
    return f"loss {loss_at(rows, rows[-1]['step']):.4g} after {quantity(len(rows), 'step')}"


def _policy(folder: Path) -> str:
    rows = [row for _, row in read_rows(folder / STEPS_FILE)]
    first, last = rows[0]["reward"], rows[-1]["reward"]
    return f"reward {first:.3g} → {last:.3g} in {quantity(len(rows), 'step')}"


def _collecting(folder: Path) -> str:
    stats = read_json(folder / STATS_FILE)
    kept, solved = stats["paths"]["sampled"], stats["solved"]
    problems = quantity(stats["problems"], "problem")
    return f"kept {quantity(kept, 'path')}, {solved:,} of {problems} solved"


def _evaluation(folder: Path) -> str:
    metrics = read_json(folder / METRICS_FILE)
    if metrics["k"] > 1:
        return "  ".join(_share(f"{n}@{metrics['k']}", metrics[f"{n}@k"]) for n in ("maj", "pass"))
    return _share("accuracy", metrics[main_metric(metrics)])


def _share(name: str, metric: dict[str, Any]) -> str:
    low, high = (100 * bound for bound in metric["ci95"])
    return f"{name} {100 * metric['value']:.1f} % ({low:.1f} to {high:.1f})"


_RESULTS: dict[str, Callable[[Path], str]] = {
    "train": _training,
    "policy": _policy,
    "collect": _collecting,
    "evaluate": _evaluation,
}
