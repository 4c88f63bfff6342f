"""Experiments by name: each a small dataclass of its settings that adds stages and rows to a plan.

    @dataclass(frozen=True)
    class Halves:
        def add_to(self, plan: Plan) -> None: ...

Its settings are bound by its name (`rft_k.ks = (1, 4)`); `run.experiment` selects the experiment.
"""

from __future__ import annotations

from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Protocol

from rft_jax.errors import UserError

if TYPE_CHECKING:
    from rft_jax.pipeline.plan import Plan

_HERE = "rft_jax.pipeline.experiments"
EXPERIMENTS = {
    "quickstart": f"{_HERE}.quickstart:Quickstart",
    "supervised_scaling": f"{_HERE}.supervised_scaling:SupervisedScaling",
    "sft_tuning": f"{_HERE}.sft_tuning:SftTuning",
    "rft_k": f"{_HERE}.rft_k:RftK",
    "rft_union": f"{_HERE}.rft_union:RftUnion",
    "what_carries_the_gain": f"{_HERE}.what_carries_the_gain:WhatCarriesTheGain",
    "self_consistency": f"{_HERE}.voting:SelfConsistency",
    "path_diversity": f"{_HERE}.voting:PathDiversity",
    "temperature": f"{_HERE}.temperature:Temperature",
    "iterate": f"{_HERE}.iterate:Iterate",
    "query_augmentation": f"{_HERE}.augmentation:QueryAugmentation",
    "self_revising": f"{_HERE}.augmentation:SelfRevising",
    "regimes": f"{_HERE}.regimes:Regimes",
    "relatives": f"{_HERE}.relatives:Relatives",
    "policy_training": f"{_HERE}.policy_training:PolicyTraining",
    "distillation": f"{_HERE}.distillation:Distillation",
    "pretraining_loss": f"{_HERE}.pretraining_loss:PretrainingLoss",
    "programs": f"{_HERE}.programs:Programs",
    "calculator": f"{_HERE}.calculator:Calculator",
    "arithmetic_steps": f"{_HERE}.arithmetic_steps:ArithmeticSteps",
    "arithmetic_words": f"{_HERE}.arithmetic_words:ArithmeticWords",
}
"""Name -> `module:Class`, imported on demand."""


class Experiment(Protocol):
    """An experiment with its settings."""

    def add_to(self, plan: Plan) -> None:
        """Adds the stages, rows and plots of all seeds to the plan."""


def experiment_class(name: str) -> type[Any]:
    """The settings class of an experiment.

    Raises:
      UserError: there is no experiment of that name.
    """
    if name not in EXPERIMENTS:
        raise UserError(f"run.experiment is {name!r}; there are {', '.join(EXPERIMENTS)}")
    return resolve_name(EXPERIMENTS[name])
