"""Reads `results.json`. People edit and join such files: what a report needs of them is checked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rft_jax.errors import UserError
from rft_jax.evaluation.metrics import METRICS
from rft_jax.files.jsonl import read_object

# List -> what each of its items has, whichever version wrote it.
_NEEDED = {
    "rows": ("model",),
    "conditions": ("model", "label", "value", "ci95"),
    "comparisons": ("a", "b", "difference", "ci95", "p_value"),
    "figures": (
        *("title", "x", "y", "x_label", "y_label"),
        *("log_x", "fit", "paper", "series", "baselines"),
    ),
}


def read_results(path: Path) -> dict[str, Any]:
    """The content of a `results.json`.

    Raises:
      UserError: it is not such a file; names the item and what it lacks.
    """
    content = read_object(path)
    for name, needed in _NEEDED.items():
        items = content.get(name, [])
        if not isinstance(items, list):
            raise UserError(f"{path}: {name} is {items!r:.40}; a list is needed")
        for index, item in enumerate(items):
            where = f"{path}: {name}[{index}]"
            if not isinstance(item, dict):
                raise UserError(f"{where} is {item!r:.40}; an object is needed")
            if missing := [one for one in needed if one not in item]:
                raise UserError(f"{where} has no {missing[0]!r}, which rft run writes")
            if "ci95" in item:
                _check_metric(where, item)
    for index, row in enumerate(content.get("rows", [])):
        if content.get("conditions") and not isinstance(row.get("seed"), int):
            raise UserError(
                f"{path}: rows[{index}] has the seed {row.get('seed')!r}; a whole number is needed"
            )
        for name in METRICS:
            if row.get(name) is not None:
                _check_metric(f"{path}: rows[{index}]: {name!r}", row[name])
    return content


def _check_metric(where: str, metric: Any) -> None:
    """Refuses a metric without a value or an interval of two numbers."""
    found = metric if isinstance(metric, Mapping) else {}
    interval = found.get("ci95")
    value = found.get("value", found.get("difference"))
    if not (isinstance(interval, list) and len(interval) == 2 and all(map(_is_number, interval))):
        raise UserError(f"{where} has no interval 'ci95' of two numbers")
    if not _is_number(value):
        raise UserError(f"{where} has no number as its value")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
