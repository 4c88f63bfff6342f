"""Whether RFT gains by diversity, by paths that the model finds easy, or by more rows alone."""

from __future__ import annotations

from dataclasses import dataclass

from rft_jax.pipeline.measures import Figure
from rft_jax.pipeline.plan import Plan
from rft_jax.pipeline.stages import Argument, OutputOf

LABELS = {
    "rft": "RFT: distinct correct paths",
    "oracle": "Oracle: as many paths from the generator",
    "most_likely": "As many correct samples, the likeliest",
    "random": "As many correct samples, at random",
    "human": "Reference solution, repeated",
}


@dataclass(frozen=True)
class WhatCarriesTheGain:
    """As many rows for each problem as RFT has, filled in different ways.

    Attributes:
      k: samples a problem that RFT chooses from.
      kinds: of the controls, see `rft derive --help`.
    """

    k: int = 12
    kinds: tuple[str, ...] = ("oracle", "most_likely", "random", "human")

    def add_to(self, plan: Plan) -> None:
        """All arms take as many rows, so as many steps but for packing."""
        for seed in plan.seeds:
            sft = plan.train("sft", seed, plan.train_problems)
            samples = plan.sample("sft", seed, OutputOf(sft))
            data = plan.collect_first("rft", seed, samples, self.k)
            trained = {"rft": plan.train("rft", seed, data)}
            for kind in self.kinds:
                inputs: dict[str, Argument] = {"problems": plan.train_problems}
                inputs["collected"] = OutputOf(data.stage)
                if kind in ("most_likely", "random"):
                    inputs["samples"] = OutputOf(samples)
                trained[kind] = plan.train(kind, seed, plan.derive(kind, kind, seed, inputs))
            for arm, model in trained.items():
                plan.measure(arm, seed, model, LABELS[arm], "same number of training rows")
            plan.measure("sft", seed, sft, "SFT")
        for arm in ("rft", *self.kinds):
            plan.compare(arm, "sft")
        for kind in self.kinds:
            plan.compare("rft", kind)
        figure = Figure(
            name="paths",
            title="Accuracy against distinct paths, same number of rows",
            x="paths_per_problem",
            y="accuracy",
            series=("same number of training rows",),
            x_label="distinct paths per problem",
            baselines=("sft",),
        )
        plan.figures.append(figure)
