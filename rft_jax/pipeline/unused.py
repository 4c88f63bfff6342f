"""Bound settings that no stage of a run has: those of stages that its experiment does without, and
those that the experiment sets itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rft_jax.errors import UserError
from rft_jax.gin_files import Binding
from rft_jax.gin_settings import Config
from rft_jax.pipeline.builder import POLICY, VOTE, kind_of_problems
from rft_jax.pipeline.plan import Plan
from rft_jax.pipeline.stages import Stage
from rft_jax.rft.settings import BY_DATA

# Settings of every stage that has them at all: the plan reads them, and stages may have others.
_READ_BY_PLAN = {
    ("sample", "num_samples"),
    ("train", "save_every_steps"),
    ("train", "keep_checkpoints"),
}
_OF_STAGES = ("train", "sample", "collect", "evaluate", "policy", "mesh")


def check_bindings(plan: Plan, config: Config) -> list[str]:
    """Refuses flags without an effect on any stage of the experiment.

    Conditions that `run.arms` leaves out count, so that a run can be narrowed by that flag alone;
    for the same reason those of votes, which `run.vote_arms` decides about, are not refused.

    Returns:
      A sentence for each reason why settings of votes, or in the user's own gin files, have no
      effect: several experiments may share a file, as they do those of the package.

    Raises:
      UserError: names the flag, and why it has no effect.
    """
    noted: dict[str, list[Binding]] = {}
    for binding, why in _unused(plan, config):
        if binding.origin == "flag" and binding.scope != VOTE:
            raise UserError(f"{binding.where}: {binding.key} has no effect: {why}; leave it out")
        if binding.origin in ("flag", "file") and config.is_asked_for(binding):
            noted.setdefault(why, []).append(binding)
    return [
        f"{found[0].where}: without effect: {', '.join(one.key for one in found)}: {why}"
        for why, found in noted.items()
    ]


def _unused(plan: Plan, config: Config) -> Iterator[tuple[Binding, str]]:
    """The bindings without an effect, each with the words for why."""
    experiment = plan.settings.experiment
    for one in config.bindings:
        if one.name not in _OF_STAGES:
            if one.scope:
                yield one, f"{one.name} settings are those of the whole run, for every condition"
            continue
        stages = [
            stage
            for stage in plan.graph.added
            if one.name in stage.settings and _is_in_scope(stage, one.scope)
        ]
        if not stages and one.scope == VOTE:
            yield one, "no condition votes (run.vote_arms)"
        elif not stages:
            yield one, _of_no_stage(plan, one)
        elif not any(_has(stage, one) for stage in stages):
            yield one, _set_elsewhere(stages, one, experiment)


def _of_no_stage(plan: Plan, binding: Binding) -> str:
    """Why no stage has a binding, and which conditions have such settings."""
    having = dict.fromkeys(one.arm for one in plan.graph.added if binding.name in one.settings)
    if not having:
        experiment = plan.settings.experiment
        return f"no stage of run.experiment = {experiment!r} has {binding.name} settings"
    return (
        f"no stage of {binding.scope!r} has {binding.name} settings; those of "
        f"{', '.join(map(repr, having))} have"
    )


def _is_in_scope(stage: Stage, scope: str) -> bool:
    named = {"", stage.arm, kind_of_problems(stage.arguments.get("--problems"))}
    named |= {VOTE} if stage.label == VOTE else set()
    named |= {POLICY} if stage.command == "policy" else set()
    return scope in named


def _has(stage: Stage, binding: Binding) -> bool:
    """Whether a stage has the bound value, or one that is made of it."""
    if f"--gin.{binding.name}.{binding.field}" in stage.arguments:
        return True
    if (binding.name, binding.field) in _READ_BY_PLAN or binding.value in (None, BY_DATA):
        return True
    return _value(stage, binding) == binding.value


def _value(stage: Stage, binding: Binding) -> Any:
    return getattr(stage.settings[binding.name], binding.field)


def _set_elsewhere(stages: Sequence[Stage], binding: Binding, experiment: str) -> str:
    """What decides a setting in the place of a binding."""
    settings = stages[0].settings[binding.name]
    if instead := getattr(settings, "ELSEWHERE", {}).get(binding.field):
        return f"{instead} decides it"
    values = dict.fromkeys(repr(_value(stage, binding)) for stage in stages)
    return f"run.experiment = {experiment!r} sets it to {' and '.join(values)}"
