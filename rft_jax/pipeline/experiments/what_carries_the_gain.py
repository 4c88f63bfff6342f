"""Whether RFT gains by diversity, by paths that the model finds easy, or by more rows alone."""

from __future__ import annotations

from dataclasses import dataclass

from rft_jax.pipeline.measures import Figure
from rft_jax.pipeline.plan import Plan
from rft_jax.pipeline.stages import Argument, OutputOf

LABELS = {
    "rft": "RFT: the different right paths",
    "oracle": "Oracle: as many of the generator's paths",
    "most_likely": "As many right samples, the likeliest",
    "random": "As many right samples, at random",
    "human": "The human path, as many times",
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
                plan.measure(arm, seed, model, LABELS[arm], "trained on as many rows")
            plan.measure("sft", seed, sft, "SFT")
        for arm in ("rft", *self.kinds):
            plan.compare(arm, "sft")
        for kind in self.kinds:
            plan.compare("rft", kind)
        figure = Figure(
            name="paths",
            title="Accuracy against different paths, at equal numbers of rows",
            x="paths_per_problem",
            y="accuracy",
            series=("trained on as many rows",),
            x_label="different paths a problem",
            baselines=("sft",),
        )
        plan.figures.append(figure)
