"""Texts, calculator and programs: the models of `programs`, and settings of decoding."""

from __future__ import annotations

from itertools import product

import pytest

from tests.pipeline.plans import commands, training_of

FLAGS = (
    "run.limit=4",
    "run.seeds=(0,)",
    "run.train_problems='wordproblems:train'",
    "run.test_problems='wordproblems:dev'",
)


@pytest.fixture(scope="module")
def calculator_plan(plan_of):
    return plan_of("calculator", *FLAGS)


def test_each_way_is_measured_after_both_trainings_on_both_sets(calculator_plan):
    assert [row.arm for row in calculator_plan.measured] == [
        f"{stage}_{way}{ending}"
        for stage, way, ending in product(
            ("sft", "rft"), ("text", "calculator", "programs"), ("", "_large")
        )
    ]
    assert commands(calculator_plan) == {"train": 4, "sample": 2, "collect": 2, "evaluate": 12}
    assert len(calculator_plan.comparisons) == 2 * 2 * 2
    (plot,) = calculator_plan.plots
    assert plot.series[0] == "accuracy" and len(plot.series) == 4


def test_the_calculator_is_a_setting_of_decoding_for_the_same_model(calculator_plan):
    rows = {row.arm: row.greedy.settings["evaluate"] for row in calculator_plan.measured}
    for stage in ("sft", "rft"):
        models = [training_of(calculator_plan, f"{stage}_{way}") for way in ("text", "calculator")]
        assert models[0] is models[1] is not training_of(calculator_plan, f"{stage}_programs")
    assert {arm for arm, settings in rows.items() if settings.calculator} == {
        arm for arm in rows if "_calculator" in arm
    }


def test_all_but_the_calculator_is_shared_with_the_experiment_on_programs(calculator_plan, plan_of):
    shared = {stage.digest for stage in plan_of("programs", *FLAGS).stages}
    own = [stage.title for stage in calculator_plan.stages if stage.digest not in shared]
    assert own == [
        f"{stage}_calculator{ending}-0 evaluate"
        for stage, ending in product(("sft", "rft"), ("", "_large"))
    ]
