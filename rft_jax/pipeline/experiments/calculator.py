"""Texts, texts with a calculator, and programs: three ways to have calculations done."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

from rft_jax.pipeline.experiments.error_rows import arm_on, errors_plot, measure_errors
from rft_jax.pipeline.experiments.programs import (
    PROGRAMS,
    TEXT,
    Programs,
    models_of_forms,
    training_data,
)
from rft_jax.pipeline.plan import Plan
from rft_jax.pipeline.stages import Argument

WAYS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "text": ("text", "texts", TEXT),
    "calculator": ("text", "texts with the calculator", {"calculator": True}),
    "programs": ("programs", "programs", PROGRAMS),
}
"""Name -> the form that is trained on, the name for readers, settings of evaluations."""


@dataclass(frozen=True)
class Calculator:
    """The SFT and RFT models of `programs`, whose stages it shares, on two sets of problems.

    Attributes:
      k: samples per problem and form.
      train_names: training problems whose answers are names, beside `run.train_problems`.
      test_large: test problems with larger numbers.
    """

    k: int = Programs.k
    train_names: str = Programs.train_names
    test_large: str = Programs.test_large

    def add_to(self, plan: Plan) -> None:
        """The calculator is in decoding alone: the models with and without it are the same."""
        data = training_data(plan, self.train_names)
        large = plan.further_file(self.test_large, "test-large")
        sets: dict[str, Argument | None] = {"ordinary numbers": None, "large numbers": large}
        for seed in plan.seeds:
            sft, rft, _ = models_of_forms(plan, seed, data, self.k)
            for (stage, models), (way, (form, words, forced)) in product(
                (("sft", sft), ("rft", rft)), WAYS.items()
            ):
                for name, problems in sets.items():
                    measure_errors(
                        *(plan, (f"{stage}_{way}", name), seed, models[form]),
                        *(f"{stage.upper()}, {words}", problems),
                        forced=forced,
                    )
        for name, stage in product(sets, ("sft", "rft")):
            for a, b in (("calculator", "text"), ("programs", "calculator")):
                plan.compare(arm_on(f"{stage}_{a}", name), arm_on(f"{stage}_{b}", name))
        plan.plots.append(errors_plot())
