"""The points of a plot's lines: means over seeds, votes, histograms and fits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rft_jax.files.jsonl import read_json, write_json
from rft_jax.pipeline.measures import Measured, Plot
from rft_jax.pipeline.outcome.points import plot_data
from rft_jax.pipeline.stages import Given, Stage
from tests.pipeline.outcome.factories import measured


def _rows(root: Path, members: list[Measured]) -> list[dict[str, Any]]:
    return [
        {**one.facts, "accuracy": read_json(root / one.greedy.folder / "metrics.json")["accuracy"]}
        for one in members
    ]


def _plot(**changes: Any) -> Plot:
    values = {"name": "accuracy", "title": "Accuracy", "x": "samples", "y": "accuracy"}
    return Plot(**{**values, "series": ("RFT",)} | changes)


@pytest.fixture
def members(tmp_path: Path) -> list[Measured]:
    """RFT at k = 8, 1 and 2 with two seeds each, and SFT, which has no k."""
    made = []
    for k, correct in ((8, [True, True]), (1, [False, True]), (2, [False, False])):
        for seed in (0, 1):
            answers = [correct[0] and seed == 0, correct[1]]
            facts = {"samples": k}
            made.append(measured(tmp_path, f"k{k}", seed, answers, facts=facts, series=("RFT",)))
    return [*made, measured(tmp_path, "sft", 0, [True, False])]


def test_a_line_has_a_point_per_condition_in_order_of_x(tmp_path: Path, members) -> None:
    plot = plot_data(tmp_path, _plot(baselines=("sft", "rho")), members, _rows(tmp_path, members))
    (line,) = plot["series"]
    points = line["points"]
    assert [(point["x"], point["value"]) for point in points] == [(1, 0.5), (2, 0.0), (8, 0.75)]
    assert [point["model"] for point in points] == ["k1", "k2", "k8"]
    assert points[2]["by_seed"] == {"0": 1.0, "1": 0.5}
    assert points[1]["ci95"] == [0.0, pytest.approx(0.658, abs=0.001)]  # Wilson's, two questions
    assert "fit" not in line
    (baseline,) = plot["baselines"]
    assert (baseline["label"], baseline["x"], baseline["value"]) == ("SFT", None, 0.5)
    assert (plot["x"], plot["kind"]) == ("samples", "rows")


def test_a_fit_goes_through_every_training_on_a_logarithmic_axis(tmp_path: Path, members) -> None:
    rows = _rows(tmp_path, members)
    for row, one in zip(rows, members, strict=True):
        row["accuracy"] = {"value": 0.1 * (one.facts or {"samples": 1})["samples"].bit_length()}
    plot = plot_data(tmp_path, _plot(log_x=True, fit=True), members, rows)
    (line,) = plot["series"]
    assert line["fit"]["n"] == 6
    assert line["fit"]["slope"] == pytest.approx(0.1)  # bit lengths 1, 2 and 4 at k = 1, 2 and 8
    assert line["fit"]["intercept"] == pytest.approx(0.1)


def test_seeds_are_the_trainings_of_a_fit_and_points_are_not(tmp_path: Path, members) -> None:
    plot = plot_data(tmp_path, _plot(log_x=True, fit=True), members, _rows(tmp_path, members))
    fit = plot["series"][0]["fit"]
    # By hand, of x = 0, 1, 3: seed 0 has 0.5, 0, 1 and seed 1 the same with 0.5 at k = 8.
    assert fit["by_seed"] == pytest.approx([3 / 14, 1 / 28])
    assert fit["method"]["trainings"] == 2
    one = [member for member in members if member.seed == 0]
    plot = plot_data(tmp_path, _plot(fit=True), one, _rows(tmp_path, one))
    assert plot["series"][0]["fit"]["method"] is None
    assert plot["series"][0]["fit"]["ci95_questions"] is not None


def test_seeds_with_other_conditions_than_each_other_have_no_fit(tmp_path: Path, members) -> None:
    few = [*members[:5], members[-1]]
    plot = plot_data(tmp_path, _plot(fit=True), few, _rows(tmp_path, few))
    assert plot["series"][0]["fit"] is None


def test_greedy_accuracies_are_baselines_of_votes(tmp_path: Path, members) -> None:
    plot = _plot(x="votes", y="maj@k", kind="votes", baselines=("sft",))
    (baseline,) = plot_data(tmp_path, plot, members, _rows(tmp_path, members))["baselines"]
    assert (baseline["label"], baseline["value"]) == ("SFT, greedy", 0.5)


def test_two_values_of_x_have_no_fit(tmp_path: Path, members) -> None:
    few = members[:4]
    plot = plot_data(tmp_path, _plot(fit=True), few, _rows(tmp_path, few))
    assert plot["series"][0]["fit"] is None


def _with(root: Path, kind: str, number: int, content: dict[str, Any]) -> Stage:
    stage = Stage("evaluate", kind, number, {"--kind": Given(f"{kind}{number}")})
    name = "metrics.json" if kind == "vote" else "stats.json"
    write_json(root / stage.folder / name, content)
    return stage


def test_votes_are_the_mean_curve_over_the_seeds(tmp_path: Path) -> None:
    members = []
    for seed, value in ((0, 0.5), (1, 0.75)):
        at = {"value": value, "ci95": [value - 0.1, value + 0.1], "n": 4}
        curve = [{"k": k, "maj@k": at} for k in (8, 1)]
        vote = _with(tmp_path, "vote", seed, {"k": 8, "maj@k": at, "curve": curve})
        members.append(measured(tmp_path, "sft", seed, [True], series=("RFT",), vote=vote))
    plot = _plot(x="votes", y="maj@k", kind="votes")
    (line,) = plot_data(tmp_path, plot, members, _rows(tmp_path, members))["series"]
    assert [point["x"] for point in line["points"]] == [1, 8]
    assert [point["value"] for point in line["points"]] == [0.625, 0.625]
    assert line["points"][0]["ci95"] == pytest.approx([0.525, 0.725])
    assert line["points"][0]["method"]["ci95_t"] == [0.0, 1.0]  # two seeds, 0.25 apart


def test_a_histogram_counts_sampled_problems_over_all_seeds(tmp_path: Path) -> None:
    members = []
    for seed in (0, 1):
        by_paths = {"0": 3, "2": 1}
        stats = {"problems": 4, "sampled_problems": 3, "paths": {"problems_by_sampled": by_paths}}
        tests = _with(tmp_path, "tests", seed, stats)
        members.append(measured(tmp_path, "sft", seed, [True], series=("RFT",), tests=tests))
    plot = _plot(x="test_paths", y="problems", kind="histogram")
    (line,) = plot_data(tmp_path, plot, members, _rows(tmp_path, members))["series"]
    assert line["points"] == [{"x": 0, "value": 4}, {"x": 2, "value": 2}]


def test_shares_have_a_line_per_column_and_a_count_of_all_seeds(tmp_path: Path, members) -> None:
    for one in members[:4]:
        one.facts["plan_errors"] = 0.5 if one.arm == "k8" else 0.0
    plot = _plot(kind="shares", series=("accuracy", "plan_errors"))
    data = plot_data(tmp_path, plot, members, _rows(tmp_path, members))
    lines = {line["label"]: line["points"] for line in data["series"]}
    assert [*lines] == ["accuracy", "plan errors"]
    assert [point["label"] for point in lines["accuracy"]] == ["K8", "K1"]  # others lack errors
    assert [point["value"] for point in lines["plan errors"]] == [0.5, 0.0]
    assert [point["count"] for point in lines["accuracy"]] == [3, 2]  # of two questions, two seeds
    assert [point["count"] for point in lines["plan errors"]] == [2, 0]
    assert lines["plan errors"][0]["by_seed"] == {"0": 0.5, "1": 0.5}
