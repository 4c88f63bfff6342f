"""Whether a higher temperature helps a model that has overfitted its training problems."""

from __future__ import annotations

from dataclasses import dataclass

from rft_jax.errors import UserError
from rft_jax.pipeline.measures import Plot, paths_of
from rft_jax.pipeline.plan import Plan
from rft_jax.pipeline.stages import OutputOf


@dataclass(frozen=True)
class Temperature:
    """RFT on samples of SFT and of an overfitted SFT, at several temperatures.

    Attributes:
      temperatures: sampling temperatures.
      epochs: training epochs of the overfitted SFT.
      k: samples per problem.
    """

    temperatures: tuple[float, ...] = (0.7, 1.0)
    epochs: int = 12
    k: int = 12

    def __post_init__(self) -> None:
        if not self.temperatures:
            raise UserError("temperature.temperatures is empty; name one or more")

    def add_to(self, plan: Plan) -> None:
        """The RFT conditions differ in the samples alone: all start from the pretrained weights."""
        for seed in plan.seeds:
            usual = plan.train("sft", seed, plan.train_problems)
            overfitted = plan.train("overfit", seed, plan.train_problems, num_epochs=self.epochs)
            for name, sft in (("sft", usual), ("overfit", overfitted)):
                for heat in self.temperatures:
                    arm = f"rft_{name}_t{heat}"
                    sampled = f"{name}_t{heat}"
                    samples = plan.sample(sampled, seed, OutputOf(sft), temperature=heat)
                    model = plan.rft(arm, seed, samples, self.k)
                    line = "SFT" if name == "sft" else f"SFT of {self.epochs} epochs"
                    label = f"RFT from {line}, T = {heat}"
                    facts = {"temperature": heat}
                    plan.measure(arm, seed, model, label, f"from {line}", facts=facts)
            plan.measure("sft", seed, usual, "SFT")
            plan.measure("overfit", seed, overfitted, f"SFT of {self.epochs} epochs")
        self._compare(plan)

    def _compare(self, plan: Plan) -> None:
        first, *others = self.temperatures
        for name in ("sft", "overfit"):
            for heat in others:
                plan.compare(f"rft_{name}_t{heat}", f"rft_{name}_t{first}")
        plan.compare("overfit", "sft")
        lines = ("from SFT", f"from SFT of {self.epochs} epochs")
        accuracy = Plot(
            name="accuracy",
            title="Accuracy against temperature",
            x="temperature",
            y="accuracy",
            series=lines,
            x_label="temperature of the samples",
        )
        plan.plots += [accuracy, paths_of(accuracy, "Distinct paths against temperature")]
