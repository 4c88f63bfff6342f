"""The paper's plots (`paper_results.json`), in the shape that ours have in `results.json`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from rft_jax.evaluation.fits import fit_line
from rft_jax.report.html import asset

SOURCE = "arXiv 2308.01825"
_QUESTIONS = 7473
Line = dict[str, Any]


@cache
def paper_results() -> dict[str, Any]:
    """The numbers of the paper's tables that are compared with."""
    return json.loads(asset("paper_results.json"))


def published(name: str, log_x: bool = False, fit: bool = False) -> list[Line]:
    """The lines of a published plot: `label` and `points` of `x` and `value`, a line per model.

    Args:
      name: name in the `paper` of an experiment's plot.
      log_x: whether fits are linear in log2(x).
      fit: whether each line with three points gets a least-squares fit, as ours do.
    """
    lines = [line for line in _PLOTS[name]() if line["points"]]
    for line in lines:
        xs = [point["x"] for point in line["points"]]
        if fit and len(set(xs)) >= 3:
            ys = [point["value"] for point in line["points"]]
            line["fit"] = fit_line(np.log2(xs) if log_x else xs, ys)
    return lines


def _line(label: str, xs: Sequence[float], values: Sequence[float | None]) -> Line:
    """A line from values in per cent; values that were not published are left out."""
    points = [
        {"x": x, "value": value / 100}
        for x, value in zip(xs, values, strict=True)
        if value is not None
    ]
    return {"label": label, "points": sorted(points, key=lambda point: point["x"])}


def _by_model(table: Mapping[str, Sequence[float | None]], xs: Sequence[float]) -> list[Line]:
    """A line per model from rows that each have one x."""
    models = paper_results()["models"]
    columns = zip(*table.values(), strict=True)
    return [_line(model, xs, column) for model, column in zip(models, columns, strict=True)]


def _supervised() -> list[Line]:
    scores = paper_results()["maj1@1"]
    lines = []
    for table, note in (
        ("sft_3_epochs_by_fraction", "3 epochs"),
        ("sft_equal_steps_by_fraction", "step-matched"),
    ):
        rows = {**scores[table], "1/1": scores["sft"]}
        xs = [_QUESTIONS / int(fraction.split("/")[1]) for fraction in rows]
        lines += [
            {**line, "label": f"{line['label']}, {note}"}
            for line in _by_model(rows, xs)
            if line["label"] in ("7B", "13B-2", "70B-2")
        ]
    return lines


def _rft_k() -> list[Line]:
    rows = paper_results()["maj1@1"]["rft_by_k"]
    return _by_model(rows, [float(k) for k in rows])


def _path_rows() -> dict[str, list[float]]:
    rows = paper_results()["distinct_paths_per_question"]
    return {k: values for k, values in rows.items() if k.isdigit()}


def _paths() -> list[Line]:
    rows = _path_rows()
    models = paper_results()["distinct_paths_per_question"]["columns"]
    return [
        {
            "label": model,
            "points": [{"x": float(k), "value": values[i]} for k, values in rows.items()],
        }
        for i, model in enumerate(models)
    ]


def _accuracy_by_paths() -> list[Line]:
    """Accuracy of each model against the distinct paths per question among its k samples."""
    paths = {line["label"]: {p["x"]: p["value"] for p in line["points"]} for line in _paths()}
    return [
        {
            "label": line["label"],
            "points": [
                {"x": paths[line["label"]][p["x"]], "value": p["value"]} for p in line["points"]
            ],
        }
        for line in _rft_k()
        if line["label"] in paths
    ]


def _union() -> list[Line]:
    """x: number of models whose samples are merged (U13B: four, U33B: five)."""
    scores = paper_results()["maj1@1"]
    rows = {
        "0": scores["sft"],
        "1": scores["rft_by_k"]["100"],
        "4": scores["rft_u13b"],
        "5": scores["rft_u33b"],
    }
    return _by_model(rows, [float(size) for size in rows])


def _votes() -> list[Line]:
    """maj1@1 and maj1@100 of the 7B model."""
    greedy, votes = paper_results()["maj1@1"], paper_results()["maj1@100"]
    lines = {
        "SFT, 7B": (greedy["sft"], votes["sft"]),
        "RFT k = 100, 7B": (greedy["rft_by_k"]["100"], votes["rft_k100"]),
        "RFT U13B, 7B": (greedy["rft_u13b"], votes["rft_u13b"]),
        "8-shot, 7B": (greedy["icl_8shot"], votes["icl_8shot"]),
    }
    return [_line(name, (1, 100), (one[0], many[0])) for name, (one, many) in lines.items()]


def _loss() -> list[Line]:
    """Accuracy against the pretraining loss, a point per model."""
    losses, scores = paper_results()["pretraining_loss"], paper_results()["maj1@1"]
    models = paper_results()["models"]
    lines = {"ICL": scores["icl_8shot"], "SFT": scores["sft"], "RFT": scores["rft_by_k"]["100"]}
    return [
        _line(name, list(losses.values()), [values[models.index(model)] for model in losses])
        for name, values in lines.items()
    ]


_PLOTS: dict[str, Callable[[], list[Line]]] = {
    "supervised": _supervised,
    "rft_k": _rft_k,
    "paths": _paths,
    "accuracy_by_paths": _accuracy_by_paths,
    "union": _union,
    "votes": _votes,
    "loss": _loss,
}
