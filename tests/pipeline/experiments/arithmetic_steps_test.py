"""Steps against answers: conditions, data and test lines of the plan."""

from __future__ import annotations

import pytest

from rft_jax.arithmetic.reading import profile, read_tokens
from rft_jax.errors import UserError
from rft_jax.files.jsonl import write_rows
from rft_jax.pipeline.stages import ExamplesOf, OutputOf
from tests.pipeline.plans import commands, training_of

POINTS = ("1_4", "2_4", "3_4", "the_end")
FLAGS = ("run.seeds=(0,)", "arithmetic_steps.lines=5", "arithmetic_steps.tokens=2000")


@pytest.fixture(scope="module")
def steps_plan(plan_of):
    return plan_of("arithmetic_steps", *FLAGS)


def test_every_model_is_measured_on_every_set_of_lines(steps_plan):
    conditions = ["steps", "reversed", "direct", "direct_examples", "small_steps"]
    sets = [*(f"{n}_operations" for n in range(1, 6)), "more_digits"]
    assert [row.arm for row in steps_plan.measured if "_at_" not in row.arm] == [
        f"{condition}_{name}" for condition in conditions for name in sets
    ]
    assert commands(steps_plan) == {"derive": 3, "train": 5, "evaluate": 30 + 3}
    assert len(steps_plan.comparisons) == 4 * 6
    operations, _ = steps_plan.plots
    assert len(operations.series) == 5


def test_intermediate_checkpoints_are_points_of_accuracy_against_examples(plan_of, tmp_path):
    plan = plan_of("arithmetic_steps", *FLAGS[:2], "arithmetic_steps.tokens=50_000")
    every = 50_000 // (16 * 192 * 4)
    rows = {row.arm: row for row in plan.measured if "_at_" in row.arm}
    assert [*rows] == [
        f"{arm}_at_{point}" for arm in ("steps", "reversed", "direct") for point in POINTS
    ]
    stage = training_of(plan, "steps_at_2_4")
    assert rows["steps_at_2_4"].greedy.arguments["--model"] == OutputOf(
        stage, f"checkpoints/{2 * every}"
    )
    assert stage.settings["train"].save_every_steps == every
    assert stage.settings["train"].keep_checkpoints > 4
    folder = tmp_path / stage.folder
    folder.mkdir(parents=True)
    (folder / "data.json").write_text('{"examples": 1700}')
    write_rows(folder / "metrics.jsonl", [{"step": step} for step in range(1, 18)])
    read = [rows[f"steps_at_{point}"].facts["examples"].read(tmp_path) for point in POINTS]
    assert read == [100 * every, 200 * every, 300 * every, 1700]
    assert len({row.greedy.arguments["--problems"] for row in rows.values()}) == 1
    assert plan.plots[1].series == ("steps", "steps, digits reversed", "answers, equal tokens")


def test_the_forms_have_equal_tokens_or_equal_examples(steps_plan):
    trained = {row.arm.split("_1_")[0]: row for row in steps_plan.measured if "_1_op" in row.arm}
    stages = {arm: training_of(steps_plan, row.arm) for arm, row in trained.items()}
    made = {arm: stage.arguments["--data"].stage for arm, stage in stages.items()}
    forms = {arm: stage.arguments["--form"].value for arm, stage in made.items()}
    assert forms == {
        "steps": "steps",
        "reversed": "reversed",
        "direct": "direct",
        "direct_examples": "direct",
        "small_steps": "steps",
    }
    assert {stage.arguments["--count"].value for stage in made.values()} == {"2000"}
    assert made["direct"] is made["direct_examples"]
    limits = {arm: stage.arguments.get("--gin.train.limit") for arm, stage in stages.items()}
    assert limits.pop("direct_examples") == ExamplesOf(stages["steps"])
    assert set(limits.values()) == {None}
    widths = {arm: stage.settings["llama"].hidden_size for arm, stage in stages.items()}
    assert widths.pop("small_steps") == 64 and set(widths.values()) == {128}


def test_the_sets_have_their_operations_and_digits(steps_plan):
    found = [
        [profile(p.question[:-1], read_tokens(p.question[:-1])) for p in problems]
        for name, problems in steps_plan.files.items()
        if "arithmetic" in name
    ]
    assert [{one.operations for one in lines} for lines in found[:5]] == [{1}, {2}, {3}, {4}, {5}]
    assert max(one.digits for lines in found[:5] for one in lines) <= 3
    assert {one.digits for one in found[5]} == {4}


def test_a_number_of_examples_is_read_when_the_training_is_finished(steps_plan, tmp_path):
    stage = training_of(steps_plan, "steps_1_operations")
    assert ExamplesOf(stage).resolve(tmp_path) == "EXAMPLES"
    folder = tmp_path / stage.folder
    folder.mkdir(parents=True)
    (folder / "COMPLETE").write_text("{}")
    (folder / "data.json").write_text('{"examples": 57}')
    assert ExamplesOf(stage).resolve(tmp_path) == "57"


def test_a_size_of_nothing_is_refused(plan_of):
    with pytest.raises(UserError, match=r"arithmetic_steps\.lines = 0: at least 1 is needed"):
        plan_of("arithmetic_steps", "arithmetic_steps.lines=0")
