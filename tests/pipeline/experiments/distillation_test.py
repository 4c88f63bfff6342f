"""A student is distilled beside RFT with as many samples, its teacher's and its own."""

from __future__ import annotations

import pytest

from rft_jax.checkpoints.huggingface_config import read_config
from rft_jax.checkpoints.names import EMBEDDED, LARGE, MODELS
from rft_jax.errors import UserError
from rft_jax.models.shapes import num_params
from tests.pipeline.plans import SMALL_STEPS

FLAGS = ("distillation.steps=(1, 2)", *SMALL_STEPS[1:], "run.seeds=(0,)")


def test_the_student_is_measured_beside_rft_with_as_many_samples(plan_of):
    plan = plan_of("distillation", *FLAGS, "distillation.teacher='.'")
    samples: dict[int | None, set[str]] = {}
    for one in plan.measured:
        samples.setdefault(one.facts.get("samples"), set()).add(one.arm)
    assert samples == {
        0: {"sft"},
        None: {"teacher"},
        8: {"distilled_1", "rft_teacher_1", "rft_1"},
        16: {"distilled_2", "rft_teacher_2", "rft_2"},
    }
    assert plan.comparisons == [
        ("distilled_2", "rft_teacher_2"),
        ("distilled_2", "rft_2"),
        ("rft_teacher_2", "rft_2"),
    ]
    (policy,) = [stage for stage in plan.stages if stage.command == "policy"]
    assert policy.arguments["--model"].stage.arm == "sft"
    teacher = policy.arguments["--teacher"].stage
    assert (teacher.command, teacher.arm) == ("train", "teacher")
    assert policy.settings["policy"].preset == "distillation"
    drawn = {s.arm: s.settings["sample"].num_samples for s in plan.stages if s.command == "sample"}
    assert drawn == {"sft": 100, "teacher_sft": 15, "teacher": 4}
    trained = {stage.arm: stage for stage in plan.stages if stage.command == "train"}
    assert trained["teacher"].arguments["--model"] == trained["teacher_sft"].arguments["--model"]
    assert trained["rft_teacher_2"].arguments["--model"] == plan.model
    collected = trained["rft_teacher_2"].arguments["--data"].stage
    assert [stage.arm for stage in collected.waits_for] == ["teacher"]


def test_the_teacher_is_the_wider_model_of_the_package(plan_of):
    stages = plan_of("distillation", *FLAGS).stages
    teacher = next(stage for stage in stages if stage.arm == "teacher_sft")
    assert teacher.arguments["--model"].value == LARGE, "a name, and no path of this machine"
    shape, ours = read_config(MODELS[LARGE]), read_config(MODELS[EMBEDDED])
    assert shape.hidden_size > ours.hidden_size
    assert num_params(shape) == 1_713_216


def test_steps_of_distillation_must_rise(plan_of):
    with pytest.raises(UserError, match=r"distillation.steps is \(2, 1\); rising numbers"):
        plan_of("distillation", "distillation.steps=(2, 1)")
