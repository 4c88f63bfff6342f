"""The paper's loop and its controls, each trained from the pretrained weights."""

from __future__ import annotations

from dataclasses import dataclass

from rft_jax.pipeline.experiments.controls import LABELS, train_control
from rft_jax.pipeline.plan import Plan
from rft_jax.pipeline.stages import StepsOf


@dataclass(frozen=True)
class Quickstart:
    """SFT, RFT, and controls for what could explain a gain: more steps, more rows, other paths.

    Attributes:
      controls: further controls with as many rows for every problem as RFT has, by their kinds in
        `rft derive --help`: unverified, answer_checked, majority, incorrect and others.
    """

    controls: tuple[str, ...] = ()

    def add_to(self, plan: Plan) -> None:
        """Stages start in the order in which they are added: the longest trainings first."""
        arms, k = plan.settings.arms, plan.num_samples
        for seed in plan.seeds:
            sft, samples = plan.sft(seed)
            kept = plan.collect_first("rft", seed, samples, k)
            every = plan.rft("rft_no_dedup", seed, samples, k, dedup="none")
            rft = plan.rft("rft", seed, samples, k)
            matched = plan.train("sft_steps", seed, plan.train_problems, num_steps=StepsOf(rft))
            if seed == plan.seeds[0]:
                plan.measure("rho", seed, plan.model, "Pretrained (ρ)")
            plan.measure("sft", seed, sft, "SFT")
            plan.measure("sft_steps", seed, matched, "SFT, step-matched to RFT")
            plan.measure("rft", seed, rft, "RFT")
            plan.measure("rft_no_dedup", seed, every, "RFT without dedup")
            if not arms or "rft_oracle" in arms:
                oracle = train_control(plan, "oracle", seed, kept, samples, "rft_oracle")
                plan.measure("rft_oracle", seed, oracle, "Oracle paths")
            for kind in self.controls:
                model = train_control(plan, kind, seed, kept, samples)
                plan.measure(kind, seed, model, LABELS[kind])
        plan.compare("sft", "rho")
        for control in ("sft", "sft_steps", "rft_no_dedup", "rft_oracle", *self.controls):
            plan.compare("rft", control)
