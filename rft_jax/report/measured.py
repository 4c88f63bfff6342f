"""A row of results from one evaluation, as `results.json` has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rft_jax.evaluation.metrics import METRICS
from rft_jax.files.jsonl import read_json
from rft_jax.files.names import METRICS_FILE

_OF_SEVERAL = ("maj@k", "pass@k", "k")
READING = ("no_answer", "truncated", "readable")
"""How the responses were read, and how many were cut off."""


def measured(folder: Path) -> dict[str, Any]:
    """The metrics of an evaluation's folder; of one sample a problem, without maj@k and pass@k."""
    metrics = read_json(folder / METRICS_FILE)
    row = {name: metrics[name] for name in (*METRICS, "k", *READING) if name in metrics}
    if metrics.get("k") == 1:  # of one sample they equal accuracy
        row = {name: value for name, value in row.items() if name not in _OF_SEVERAL}
    return row
