"""RFT in rounds: each samples the model of the round before and merges the new paths."""

from __future__ import annotations

from dataclasses import dataclass

from rft_jax.errors import UserError
from rft_jax.pipeline.measures import Plot, paths_of
from rft_jax.pipeline.plan import Plan
from rft_jax.pipeline.stages import OutputOf


@dataclass(frozen=True)
class Iterate:
    """Accuracy and distinct paths against rounds; every round trains the pretrained model.

    Attributes:
      rounds: number of rounds of sampling and RFT.
      k: samples per problem that each round adds.
    """

    rounds: int = 3
    k: int = 12

    def __post_init__(self) -> None:
        if self.rounds < 1:
            raise UserError(f"iterate.rounds is {self.rounds}; at least 1 is needed")

    def add_to(self, plan: Plan) -> None:
        """The control draws as many samples in all, from SFT alone."""
        for seed in plan.seeds:
            model, first = plan.sft(seed)
            both = ("rounds", "SFT's samples alone")
            plan.measure("sft", seed, model, "SFT", both, facts={"rounds": 0})
            samples = [first]
            for done in range(1, self.rounds + 1):
                arm = f"round{done}"
                model = plan.rft(arm, seed, samples, self.k)
                lines = both if done == 1 else "rounds"
                label = "1 round" if done == 1 else f"{done} rounds"
                plan.measure(arm, seed, model, label, lines, facts={"rounds": done})
                samples.append(plan.sample(arm, seed, OutputOf(model), num_samples=self.k))
                if done > 1:
                    arm = f"once_k{done * self.k}"
                    once = plan.rft(arm, seed, first, done * self.k)
                    label = f"one round, k = {done * self.k}"
                    plan.measure(arm, seed, once, label, both[1], facts={"rounds": done})
        for done in range(2, self.rounds + 1):
            plan.compare(f"round{done}", f"round{done - 1}")
            plan.compare(f"round{done}", f"once_k{done * self.k}")
        accuracy = Plot(
            name="accuracy",
            title="Accuracy against rounds",
            x="rounds",
            y="accuracy",
            series=("rounds", "SFT's samples alone"),
            x_label=f"rounds of {self.k} samples",
        )
        plan.plots += [accuracy, paths_of(accuracy, "Distinct paths against rounds")]
