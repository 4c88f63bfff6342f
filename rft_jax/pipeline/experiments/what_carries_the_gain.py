"""Whether RFT gains by diversity, by paths that are easy for the model, or by more rows alone."""

from __future__ import annotations

from dataclasses import dataclass

from rft_jax.pipeline.measures import Plot
from rft_jax.pipeline.plan import Plan
from rft_jax.pipeline.stages import Argument, OutputOf

LABELS = {
    "rft": "RFT: distinct correct paths",
    "oracle": "Oracle: as many paths from the generator",
    "most_likely": "As many correct samples, the most likely",
    "random": "As many correct samples, at random",
    "human": "Reference solution, repeated",
}


@dataclass(frozen=True)
class WhatCarriesTheGain:
    """As many rows for each problem as RFT has, filled in different ways.

    Attributes:
      k: samples per problem for RFT.
      kinds: kinds of controls, as in `rft derive --help`.
    """

    k: int = 12
    kinds: tuple[str, ...] = ("oracle", "most_likely", "random", "human")

    def add_to(self, plan: Plan) -> None:
        """All conditions have the same number of rows; their steps differ by packing alone."""
        for seed in plan.seeds:
            sft, samples = plan.sft(seed)
            kept = plan.collect_first("rft", seed, samples, self.k)
            trained = {"rft": plan.rft("rft", seed, samples, self.k)}
            for kind in self.kinds:
                inputs: dict[str, Argument] = {"problems": plan.train_problems}
                inputs["collected"] = OutputOf(kept.stage)
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
        plot = Plot(
            name="paths",
            title="Accuracy against distinct paths, same number of rows",
            x="paths_per_problem",
            y="accuracy",
            series=("same number of training rows",),
            x_label="distinct paths per problem",
            baselines=("sft",),
        )
        plan.plots.append(plot)
