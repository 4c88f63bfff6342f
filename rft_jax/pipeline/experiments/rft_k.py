"""RFT against k, the number of samples per problem, with and without deduplication."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

from rft_jax.errors import UserError
from rft_jax.pipeline.measures import Plot, paths_of
from rft_jax.pipeline.plan import Plan

DEDUP, NO_DEDUP = "RFT", "RFT without dedup"


@dataclass(frozen=True)
class RftK:
    """Distinct paths and accuracy against k, the first of `sample.num_samples` samples.

    Attributes:
      ks: numbers of samples per problem, k, for RFT.
      ks_without_dedup: numbers of samples per problem for RFT without deduplication.
    """

    ks: tuple[int, ...] = (1, 3, 6, 12, 25, 50, 100)
    ks_without_dedup: tuple[int, ...] = (1, 3, 6, 12)

    def __post_init__(self) -> None:
        for name in ("ks", "ks_without_dedup"):
            if any(k < 1 for k in getattr(self, name)):
                raise UserError(f"rft_k.{name} is {getattr(self, name)}; a k is at least 1")

        if not self.ks:
            raise UserError("rft_k.ks is empty; name one k or more")

    def add_to(self, plan: Plan) -> None:
        """All conditions share SFT and its samples; the trainings on most rows start first."""
        for seed in plan.seeds:
            sft, samples = plan.sft(seed)
            for k in sorted(self.ks, reverse=True):
                model = plan.rft(f"rft_k{k}", seed, samples, k)
                label = f"RFT, k = {k}"
                plan.measure(f"rft_k{k}", seed, model, label, DEDUP, facts={"samples": k})
            for k in sorted(self.ks_without_dedup, reverse=True):
                arm = f"no_dedup_k{k}"
                model = plan.rft(arm, seed, samples, k, dedup="none")
                label = f"{NO_DEDUP}, k = {k}"
                plan.measure(arm, seed, model, label, NO_DEDUP, facts={"samples": k})
            plan.measure("sft", seed, sft, "SFT")
        self._compare(plan)
        self._plot(plan)

    def _compare(self, plan: Plan) -> None:
        ks = sorted(self.ks)
        plan.compare(f"rft_k{ks[-1]}", "sft")
        for less, more in pairwise(ks):
            plan.compare(f"rft_k{more}", f"rft_k{less}")
        for k in sorted({*ks} & {*self.ks_without_dedup}):
            plan.compare(f"rft_k{k}", f"no_dedup_k{k}")

    def _plot(self, plan: Plan) -> None:
        accuracy = Plot(
            name="accuracy",
            title="Accuracy against k",
            x="samples",
            y="accuracy",
            series=(DEDUP, NO_DEDUP),
            x_label="samples per problem (k)",
            log_x=True,
            fit=True,
            baselines=("sft",),
            paper="rft_k",
        )
        paths = replace(
            paths_of(accuracy, "Distinct paths against k"), series=(DEDUP,), paper="paths"
        )
        accuracy_by_paths = replace(
            accuracy,
            name="accuracy_by_paths",
            title="Accuracy against distinct paths",
            x="paths_per_problem",
            series=(DEDUP,),
            x_label="distinct paths per problem",
            baselines=(),
            paper="accuracy_by_paths",
        )
        plan.plots += [accuracy, paths, accuracy_by_paths]
