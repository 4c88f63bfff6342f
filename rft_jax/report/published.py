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
            fitted = fit_line(np.log2(xs) if log_x else xs, ys)
            line["fit"] = fitted | {"by_seed": [fitted["slope"]]}
    return lines


def _line(label: str, xs: Sequence[float], values: Sequence[float | None]) -> Line:
    """A line from values in per cent; values that were not published are left out."""
    points = [
        {"x": x, "value": value / 100}
        for x, value in zip(xs, values, strict=True)
        if value is not None
    ]
    return {"label": label, "points": sorted(points, key=lambda point: point["x"])}


def _by_model(
    table: Mapping[str, Sequence[float | None]], xs: Sequence[float], series: str
) -> list[Line]:
    """A line per model from rows that each have one x.

    Args:
      series: the label of our line that they are compared with.
    """
    columns = zip(*table.values(), strict=True)
    return [
        {**_line(model, xs, column), "model": model, "series": series, "colour": colour}
        for colour, (model, column) in enumerate(zip(_models(), columns, strict=True))
    ]


def _models() -> list[str]:
    return paper_results()["models"]


def _supervised() -> list[Line]:
    """All models, epoch-matched and (dashed) step-matched."""
    scores = paper_results()["maj1@1"]
    lines = []
    for table, note, series in (
        ("sft_3_epochs_by_fraction", "3 epochs", "epoch-matched"),
        ("sft_equal_steps_by_fraction", "step-matched", "step-matched"),
    ):
        rows = {**scores[table], "1/1": scores["sft"]}
        xs = [_QUESTIONS / int(fraction.split("/")[1]) for fraction in rows]
        lines += [
            {**line, "label": f"{line['label']}, {note}", "dashed": series == "step-matched"}
            for line in _by_model(rows, xs, series)
        ]
    return lines


def _rft_k() -> list[Line]:
    rows = paper_results()["maj1@1"]["rft_by_k"]
    return _by_model(rows, [float(k) for k in rows], "RFT")


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
    return _by_model(rows, [float(size) for size in rows], "all samples of each model")


_VOTERS = {"SFT": ("sft", "sft"), "RFT": ("rft_k100", "rft_by_k")}


def _votes() -> list[Line]:
    """maj1@100 at T = 0.7 of all models, after SFT and (dashed) after RFT with k = 100."""
    votes = paper_results()["maj1@100"]
    return [
        {**line, "label": f"{name}, {line['label']}", "dashed": name == "RFT"}
        for name, (table, _) in _VOTERS.items()
        for line in _by_model({"100": votes[table]}, (100.0,), name)
    ]


def _greedy() -> list[Line]:
    """The greedy accuracies of the models that vote: no sample at T = 0.7, so without an x."""
    scores, lines = paper_results()["maj1@1"], []
    for name, (_, table) in _VOTERS.items():
        values = scores[table]["100"] if table == "rft_by_k" else scores[table]
        lines += [
            {"label": f"{name}, {model}, greedy", "x": None, "value": value / 100}
            for model, value in zip(_models(), values, strict=True)
            if value is not None
        ]
    return lines


def published_baselines(name: str) -> list[Line]:
    """The published values of a plot that have no x: `label`, `x` (None) and `value`."""
    return _greedy() if name == "votes" else []


def _loss() -> list[Line]:
    """Accuracy against the pretraining loss, a point per model."""
    losses, scores = paper_results()["pretraining_loss"], paper_results()["maj1@1"]
    models = _models()
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
