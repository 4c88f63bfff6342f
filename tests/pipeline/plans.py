"""What tests ask of a plan."""

from __future__ import annotations

from collections import Counter

from rft_jax.pipeline.plan import Plan
from rft_jax.pipeline.stages import OutputOf, Stage

SMALL_STEPS = (
    "policy_training.steps=(1, 2)",
    "policy.problems_per_step=2",
    "policy.samples_per_problem=4",
)
"""Flags for two short policy trainings."""


def commands(plan: Plan) -> Counter[str]:
    """How many stages there are of each command."""
    return Counter(stage.command for stage in plan.stages)


def training_of(plan: Plan, arm: str) -> Stage:
    """The stage that makes a condition's model."""
    (one,) = [one for one in plan.measured if one.arm == arm]
    model = one.greedy.arguments["--model"]
    assert isinstance(model, OutputOf)
    return model.stage
