"""SFT with several numbers of epochs and learning rates: what RFT has to be better than."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rft_jax.pipeline.measures import Plot
from rft_jax.pipeline.plan import Plan


@dataclass(frozen=True)
class SftTuning:
    """Accuracy of SFT for every pair of a number of epochs and a learning rate.

    Attributes:
      epochs: numbers of epochs.
      learning_rates: peak learning rates.
    """

    epochs: tuple[int, ...] = (1, 2, 3, 5, 8)
    learning_rates: tuple[float, ...] = (5e-4, 1e-3, 2e-3)

    def add_to(self, plan: Plan) -> None:
        """A line per learning rate; nothing is compared, for the best is chosen by looking."""
        lines = {rate: f"learning rate {rate:g}" for rate in self.learning_rates}
        for seed in plan.seeds:
            for rate, line in lines.items():
                for epochs in self.epochs:
                    arm = f"sft_e{epochs}_lr{rate:g}"
                    changed: dict[str, Any] = {"num_epochs": epochs, "learning_rate": rate}
                    model = plan.train(arm, seed, plan.train_problems, **changed)
                    label = f"SFT, {epochs} epochs, {line}"
                    plan.measure(arm, seed, model, label, line, facts={"epochs": epochs})
        plan.plots.append(
            Plot(
                name="accuracy",
                title="Accuracy of SFT against epochs",
                x="epochs",
                y="accuracy",
                series=tuple(lines.values()),
                x_label="epochs",
            )
        )
