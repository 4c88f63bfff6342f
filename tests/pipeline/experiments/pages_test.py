"""Experiments share stages, and end in plots and a page."""

from __future__ import annotations

import json

import pytest

from rft_jax.pipeline import run as pipeline
from rft_jax.report.report import ReportSettings, report
from tests.pipeline.plans import SMALL_STEPS


@pytest.mark.usefixtures("fake")
def test_experiments_in_one_output_share_their_stages(experiment, tmp_path):
    first = experiment("rft_k", "rft_k.ks=(1, 12)", "rft_k.ks_without_dedup=()")
    pipeline.run(str(tmp_path / "run"), first)
    trace = tmp_path / "trace"
    trace.write_text("")
    second = experiment("iterate", "iterate.rounds=1")
    pipeline.run(str(tmp_path / "run"), second)
    assert trace.read_text() == ""  # SFT, its samples and RFT with k = 12 were all there
    for name in ("rft_k", "iterate"):
        described = json.loads((tmp_path / "run" / name / "run.json").read_text())
        for stage in described["stages"].values():
            assert (tmp_path / "run" / name / stage["folder"] / "COMPLETE").exists()
        costs = json.loads((tmp_path / "run" / name / "costs.json").read_text())
        assert all(stage["seconds"] > 0 for stage in costs["stages"])  # whoever ran it


SMALL = {
    "supervised_scaling": ("run.seeds=(0, 1)", "supervised_scaling.parts=(1, 2, 4)"),
    "rft_k": ("rft_k.ks=(1, 3, 6)", "rft_k.ks_without_dedup=(1,)"),
    "rft_union": ("rft_union.sizes=(1, 5)", "run.model=''"),
    "self_consistency": (),
    "path_diversity": (),
    "temperature": (),
    "iterate": (),
    "regimes": ("regimes.problems=(2, 4)", "regimes.ks=(2,)"),
    "policy_training": (*SMALL_STEPS, "run.seeds=(0,)"),
    "distillation": (
        "run.seeds=(0,)",
        "distillation.teacher='.'",
        "distillation.steps=(1, 2)",
        *SMALL_STEPS[1:],
    ),
    "query_augmentation": (),
    "self_revising": (),
    "pretraining_loss": (
        "run.model=''",
        "pretraining_loss.steps=(10, 20, 30)",
        "pretraining_loss.widths=(32,)",
    ),
}


FAST = ("rft_k", "path_diversity")


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize(
    "name",
    [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in SMALL],
)
def test_an_experiment_ends_in_plots_and_a_page(experiment, tmp_path, name):
    pipeline.run(str(tmp_path / "run"), experiment(name, *SMALL[name]))
    home = tmp_path / "run" / name
    results = json.loads((home / "results.json").read_text())
    assert results["experiment"] == name
    for plot in results.get("figures", []):
        assert all(line["points"] for line in plot["series"]), plot["name"]
    report([str(home)], str(tmp_path / "report"), ReportSettings())
    page = (tmp_path / "report" / "index.html").read_text()
    table = (tmp_path / "report" / "table.md").read_text()
    for plot in results.get("figures", []):
        assert f"<h3>{plot['title']}</h3>" in page
        assert f"### {plot['title']}" in table


@pytest.mark.usefixtures("fake")
def test_problems_without_samples_are_in_no_histogram(experiment, tmp_path):
    pipeline.run(str(tmp_path / "run"), experiment("path_diversity"))
    home = tmp_path / "run" / "path_diversity"
    (plot,) = json.loads((home / "results.json").read_text())["figures"]
    # Of four problems three have been asked: one has no correct path, two have one.
    expected = [{"x": 0, "value": 1}, {"x": 1, "value": 2}]
    assert all(line["points"] == expected for line in plot["series"])


@pytest.mark.usefixtures("fake")
def test_a_fit_goes_through_every_training(experiment, tmp_path):
    flags = ("run.seeds=(0, 1)", "supervised_scaling.parts=(1, 2, 4)")
    pipeline.run(str(tmp_path / "run"), experiment("supervised_scaling", *flags))
    home = tmp_path / "run" / "supervised_scaling"
    (plot,) = json.loads((home / "results.json").read_text())["figures"]
    epochs = plot["series"][0]
    assert [point["x"] for point in epochs["points"]] == [1, 2, 4]
    # sft solves one of four questions, every other condition two: (1/2, 1/2, 1/4), twice.
    assert [point["value"] for point in epochs["points"]] == [0.5, 0.5, 0.25]
    assert epochs["fit"]["n"] == 6
    assert epochs["fit"]["slope"] == pytest.approx(-0.125)
