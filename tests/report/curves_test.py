"""The charts of the models: accuracy, accuracy by difficulty, training loss, majority votes."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rft_jax.files.jsonl import read_rows, write_rows
from rft_jax.report import svg
from rft_jax.report.curves import accuracy_chart, models_section, thin
from rft_jax.report.overview import colours
from rft_jax.report.runs import RunRecord, read_run


def _run(name: str, rows: list[dict[str, Any]], **more: Any) -> RunRecord:
    return RunRecord(name, Path(name), (), tuple(rows), **more)


def _row(model: str, value: float, seed: int = 0) -> dict[str, Any]:
    return {"model": model, "seed": seed, "accuracy": {"value": value, "ci95": [0, 1], "n": 9}}


def test_a_short_curve_keeps_every_step_and_a_long_one_means_of_neighbouring_ones():
    rows = [{"step": n, "loss": float(n)} for n in range(1, 161)]
    assert thin(rows[:80], "loss") == [svg.Point(n, n) for n in range(1, 81)]
    assert thin(rows, "loss") == [svg.Point(2 * n, 2 * n - 0.5) for n in range(1, 81)]


def test_steps_without_a_finite_value_are_left_out():
    rows = [{"step": n, "loss": loss} for n, loss in enumerate((1.0, math.nan, math.inf, None, 2))]
    assert thin([*rows, {"step": 9}], "loss") == [svg.Point(0, 1.0), svg.Point(4, 2.0)]


def test_the_accuracy_chart_has_a_row_per_arm_and_a_dot_per_seed():
    runs = [_run("a", [_row("sft", 0.5), _row("rft", 0.6), _row("rft", 0.7, 1)])]
    chart = accuracy_chart(runs, colours(runs))
    assert chart.count('class="name"') == 2 and chart.count("<circle") == 3
    assert "rft: 60 %, 95 % interval 0 % to 100 %" in chart


def test_the_arms_of_several_runs_have_the_runs_names():
    runs = [_run("a", [_row("sft", 0.5)], labels={"sft": "SFT"}), _run("b", [_row("sft", 0.4)])]
    chart = accuracy_chart(runs, colours(runs))
    assert ">SFT – a</text>" in chart and ">sft – b</text>" in chart
    assert accuracy_chart([_run("c", [])], {}) == ""


def test_more_arms_than_colours_have_the_accuracy_chart_alone(make_run: Callable[..., Path]):
    run = read_run(str(make_run()))
    palette = colours([run])
    assert "Training loss" in models_section([run], palette).body
    many = [_run("many", [_row(f"arm{i}", 0.5) for i in range(svg.COLOURS + 1)]), run]
    body = models_section(many, colours(many)).body
    assert "Accuracy" in body and "Training loss" not in body


def test_held_out_metrics_have_curves_where_a_training_measured_them(make_run: Callable[..., Path]):
    run = read_run(str(make_run()))
    titles = ("Held-out loss", "Held-out accuracy during training")
    assert not any(title in models_section([run], colours([run])).body for title in titles)
    path = next(iter(run.of("train"))).folder / "metrics.jsonl"
    rows = [row for _, row in read_rows(path)]
    write_rows(path, [row | {"eval_loss": 1.0, "eval_accuracy": 0.25} for row in rows])
    body = models_section([run], colours([run])).body
    assert all(title in body for title in titles)
