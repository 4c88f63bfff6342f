"""Whether RFT gains by diversity, by paths that are easy for the model, or by more rows alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rft_jax.derive.write import OF_SAMPLES
from rft_jax.pipeline.experiments.controls import LABELS, train_control
from rft_jax.pipeline.measures import Plot
from rft_jax.pipeline.plan import Plan

SAME_ROWS = "same number of training rows"


@dataclass(frozen=True)
class WhatCarriesTheGain:
    """As many rows for each problem as RFT has, filled in different ways.

    Attributes:
      k: samples per problem for RFT.
      kinds: kinds of controls, as in `rft derive --help`.
      sft_epochs: epochs of the SFT that is measured beside the usual one, for example the best of
        `experiments/sft_tuning.gin`; 0: none.
      sft_learning_rate: its peak learning rate.
    """

    k: int = 12
    kinds: tuple[str, ...] = ("oracle", *OF_SAMPLES, "human")
    sft_epochs: int = 0
    sft_learning_rate: float = 1e-3

    def add_to(self, plan: Plan) -> None:
        """All conditions have the same number of rows; their steps differ by packing alone."""
        for seed in plan.seeds:
            sft, samples = plan.sft(seed)
            kept = plan.collect_first("rft", seed, samples, self.k)
            rft = plan.rft("rft", seed, samples, self.k)
            trained = {kind: train_control(plan, kind, seed, kept, samples) for kind in self.kinds}
            plan.measure("rft", seed, rft, "RFT: distinct correct paths", SAME_ROWS)
            for kind, model in trained.items():
                plan.measure(kind, seed, model, LABELS[kind], SAME_ROWS)
            plan.measure("sft", seed, sft, "SFT")
            if self.sft_epochs:
                changed: dict[str, Any] = {"num_epochs": self.sft_epochs}
                changed["learning_rate"] = self.sft_learning_rate
                tuned = plan.train("sft_tuned", seed, plan.train_problems, **changed)
                plan.measure("sft_tuned", seed, tuned, "SFT, best epochs and learning rate")
        for arm in ("rft", *self.kinds):
            plan.compare(arm, "sft")
        for arm in (*self.kinds, *(("sft_tuned",) if self.sft_epochs else ())):
            plan.compare("rft", arm)
        plot = Plot(
            name="paths",
            title="Accuracy against distinct paths, same number of rows",
            x="paths_per_problem",
            y="accuracy",
            series=(SAME_ROWS,),
            x_label="distinct paths per problem",
            baselines=("sft",),
        )
        plan.plots.append(plot)
