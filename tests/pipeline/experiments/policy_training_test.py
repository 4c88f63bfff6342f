"""Policies are planned beside RFT with as many samples."""

from __future__ import annotations

import pytest

from rft_jax.errors import UserError
from rft_jax.pipeline.measures import SamplesAt
from tests.pipeline.plans import SMALL_STEPS


def test_policies_are_measured_beside_rft_with_as_many_samples(plan_of):
    plan = plan_of("policy_training", *SMALL_STEPS, "run.seeds=(0,)")
    samples: dict[int, set[str]] = {}
    drawn = {}
    for one in plan.measured:
        if isinstance(one.facts["samples"], SamplesAt):  # counted when they are drawn
            drawn[one.arm] = one.facts["samples"]
        else:
            samples.setdefault(one.facts["samples"], set()).add(one.arm)
    starts = ("grpo", "dr_grpo", "raft", "grpo_replaced")
    assert samples == {0: {"sft"}, 8: {"rft_1", "rounds_1"}, 16: {"rft_2", "rounds_2"}}
    of_policies = [f"{arm}_{step}" for arm in (*starts, "rft_grpo") for step in (1, 2)]
    assert list(drawn) == of_policies
    assert all(f"{one.stage.arm}_{one.step}" == arm for arm, one in drawn.items())
    assert {one.before for arm, one in drawn.items() if "rft_grpo" not in arm} == {0}
    assert drawn["rft_grpo_2"].before == 8
    policies = {stage.arm: stage for stage in plan.stages if stage.command == "policy"}
    assert policies.keys() == {*starts, "rft_grpo"}
    assert policies["grpo_replaced"].settings["policy"].resample_rounds == 3
    assert policies["dr_grpo"].settings["policy"].aggregation == "constant"
    assert policies["grpo"].arguments["--model"].stage.arm == "sft"
    assert policies["rft_grpo"].arguments["--model"].stage.arm == "rft_1"
    voting = {one.arm for one in plan.measured if one.vote is not None}
    assert voting == {"sft", "rft_1", "rounds_2", "rft_grpo_2", *(f"{arm}_2" for arm in starts)}


def test_starts_and_ends_vote_on_the_development_split_and_answer_the_test_problems(plan_of):
    plan = plan_of("policy_training", *SMALL_STEPS, "run.seeds=(0,)")
    votes = [one.vote.arguments["--problems"] for one in plan.measured if one.vote is not None]
    assert len(votes) > 1
    assert all(given is votes[0] for given in votes), "the file is made once"
    assert votes[0].value.startswith("problems/wordproblems-dev-")
    answered = {one.greedy.arguments["--problems"] for one in plan.measured}
    assert answered == {plan.test_problems}


def test_steps_of_policy_training_must_rise(plan_of):
    with pytest.raises(UserError, match=r"policy_training.steps is \(2, 1\); rising numbers"):
        plan_of("policy_training", "policy_training.steps=(2, 1)")


def test_a_step_between_two_saved_ones_is_saved_too(plan_of):
    flags = ("policy_training.steps=(20, 30)", *SMALL_STEPS[1:], "run.seeds=(0,)")
    policies = [s for s in plan_of("policy_training", *flags).stages if s.command == "policy"]
    assert {stage.settings["train"].save_every_steps for stage in policies} == {10}
    assert {stage.settings["policy"].num_steps for stage in policies} == {30}


def test_rounds_of_uneven_steps_say_how_many_samples_they_read(plan_of):
    flags = (*SMALL_STEPS, "policy_training.steps=(1, 4, 6)", "run.seeds=(0,)")
    plan = plan_of("policy_training", *flags, "sample.num_samples=12")
    rounds = [one for one in plan.measured if one.arm.startswith("rounds_")]
    for one in rounds:
        collected = one.greedy.arguments["--model"].stage.arguments["--data"].stage
        most = collected.settings["collect"].first_samples or 12
        drawn = [stage.settings["sample"].num_samples for stage in collected.waits_for]
        assert one.facts["samples"] == sum(min(most, n) for n in drawn) * len(plan.train_list)
    assert len(rounds) == 3
