"""A bound setting that no stage has is refused as a flag, and noted where a file binds it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rft_jax.commands.loop import RUN
from rft_jax.errors import UserError
from rft_jax.gin_settings import Config, load_config
from rft_jax.pipeline.plan import Plan
from rft_jax.pipeline.run import make_plan
from rft_jax.pipeline.unused import check_bindings
from tests.pipeline.plans import SMALL_STEPS

PlanOf = Callable[..., Plan]


@pytest.mark.parametrize(
    ("name", "flag", "why"),
    [
        ("rft_k", "policy.preset=dapo", "no stage of run.experiment = 'rft_k' has policy settings"),
        ("supervised_scaling", "sample.temperature=0.5", "no stage of .* has sample settings"),
        ("policy_training", "policy.num_steps=5", "'policy_training' sets it to 2;"),
        ("policy_training", "policy.preset=dapo", "sets it to 'grpo' and 'dr_grpo' and 'raft'"),
        ("policy_training", "policy/train.learning_rate=0.1", "policy.learning_rate decides it"),
        ("sft_tuning", "train.num_epochs=4", "'sft_tuning' sets it to 1 and 2 and 3 and 5 and 8"),
        ("rft_k", "collect.first_samples=7", "'rft_k' sets it to "),
        (
            "rft_k",
            "rft_k1/sample.top_p=0.9",
            "no stage of .rft_k1. has sample .* those of .sft. have",
        ),
        ("rft_k", "sft/run.limit=2", "run settings are those of the whole run"),
        ("rft_k", "sft/rft_k.ks=(1,)", "rft_k settings are those of the whole run"),
    ],
)
def test_a_flag_that_no_stage_has_is_refused_with_the_reason(
    plan_of: PlanOf, name: str, flag: str, why: str
) -> None:
    with pytest.raises(UserError, match=rf"^--gin.{flag.partition('=')[0]}=.* no effect: .*{why}"):
        plan_of(name, *(SMALL_STEPS if name == "policy_training" else ()), flag)


def test_flags_that_some_stage_has_or_the_plan_reads_are_accepted(
    plan_of: PlanOf, tmp_path: Path
) -> None:
    other = tmp_path / "other.jsonl"
    other.write_text('{"id": "x", "question": "x?", "answer": "#### 1"}\n')
    plan = plan_of(
        "rft_k",
        "sample.num_samples=120",
        "collect.dedup=''",
        f"collect.decontaminate='{other}'",
        f"train.eval_data='{other}'",
        "no_dedup_k1/train.num_epochs=9",
        "vote/evaluate.num_samples=4",
        "run.vote_arms=('sft',)",
    )
    assert len(plan.notes) == 1  # of the dedup level


def test_a_run_of_some_conditions_takes_the_settings_of_the_others(plan_of: PlanOf) -> None:
    plan = plan_of("rft_k", "run.arms=('sft',)", "sample.temperature=0.5")
    assert {stage.command for stage in plan.stages} == {"train", "evaluate"}


def test_settings_of_votes_that_no_condition_has_are_noted(plan_of: PlanOf) -> None:
    flags = ("vote/evaluate.num_samples=6", "vote/evaluate.slots=8")
    assert plan_of("rft_k", *flags).notes == [
        "--gin.vote/evaluate.num_samples=6: without effect: vote/evaluate.num_samples, "
        "vote/evaluate.slots: no condition votes (run.vote_arms)"
    ]
    assert plan_of("rft_k", *flags, "run.vote_arms=('sft',)").notes == []


def test_what_files_of_the_user_bind_without_an_effect_is_noted_and_the_packages_is_not(
    plan_of: PlanOf, tmp_path: Path
) -> None:
    own = tmp_path / "own.gin"
    bound = "policy.preset = 'dapo'\npolicy.limit = 2\npolicy.seed = 0\n"  # the last is the default
    own.write_text("include 'experiments/embedded_policy.gin'\n" + bound)
    notes = plan_of("rft_k", more_files=(str(own),)).notes
    assert notes == [
        f"{own}:2: without effect: policy.preset, policy.limit: no stage of run.experiment = "
        "'rft_k' has policy settings"
    ]


def _planned_twice(config: Config, folder: Path) -> list[Plan]:
    """The plans of settings and of their resolved text, which have the same stages."""
    file = folder / "config.gin"
    file.write_text(config.text())
    again = load_config(RUN.settings_classes(), [str(file)], scoped=True)
    plans = [make_plan(one, folder / "run") for one in (config, again)]
    made = [[(stage.title, stage.digest) for stage in plan.stages] for plan in plans]
    assert made[0] == made[1]
    return plans


@pytest.mark.parametrize("name", ["policy_training", "relatives"])
def test_the_resolved_settings_leave_each_condition_its_preset(
    experiment: Callable[..., Config], tmp_path: Path, name: str
) -> None:
    first = experiment(name, *(SMALL_STEPS if name == "policy_training" else ()))
    plans = _planned_twice(first, tmp_path)
    policies = [one.settings["policy"] for one in plans[1].stages if one.command == "policy"]
    assert len({one.preset for one in policies}) > 1


def test_the_resolved_settings_of_a_run_are_those_of_the_same_run(
    experiment: Callable[..., Config], tmp_path: Path
) -> None:
    first = experiment("rft_k", "run.seeds=(0, 1)", "sft/train.num_epochs=5")
    plans = _planned_twice(first, tmp_path)
    assert plans[0].notes == []
    (note,) = plans[1].notes  # of those that the file has from the package
    assert note.endswith("vote/evaluate.limit: no condition votes (run.vote_arms)")


def test_lengths_that_the_model_decides_are_not_taken_for_flags(plan_of: PlanOf) -> None:
    plan = plan_of("supervised_scaling")
    classes = RUN.settings_classes()
    config = load_config(classes, scoped=True, defaults=["sample.max_new_tokens=9"])
    assert check_bindings(plan, config) == []
