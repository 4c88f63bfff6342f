"""SFT on fractions of the training problems, as in the paper's section 3.2."""

from __future__ import annotations

from dataclasses import dataclass

from rft_jax.errors import UserError
from rft_jax.pipeline.measures import Plot
from rft_jax.pipeline.plan import Plan
from rft_jax.pipeline.stages import StepsOf

EPOCHS, STEPS = "epoch-matched", "step-matched"


@dataclass(frozen=True)
class SupervisedScaling:
    """Accuracy of SFT against the number of training problems.

    Attributes:
      parts: divisors of the number of training problems: 1/part of them, chosen at random by seed,
        smaller parts within larger ones.
    """

    parts: tuple[int, ...] = (1, 2, 4, 8, 16, 32)

    def __post_init__(self) -> None:
        if any(part < 1 for part in self.parts) or 1 not in self.parts:
            raise UserError(f"supervised_scaling.parts is {self.parts}; 1 and larger are needed")

    def add_to(self, plan: Plan) -> None:
        """Each part has an epoch-matched and a step-matched training."""
        total = len(plan.train_list)
        for seed in plan.seeds:
            whole = plan.train("sft", seed, plan.train_problems)
            for part in sorted(self.parts):
                count = max(1, round(total / part))
                if part == 1:
                    facts = {"train_problems": total, "fraction": 1.0}
                    plan.measure("sft", seed, whole, "SFT", (EPOCHS, STEPS), facts=facts)
                    continue
                data = plan.part(count, seed)
                facts = {"train_problems": count, "fraction": 1 / part}
                for arm, line, steps in (
                    (f"steps_{part}", STEPS, StepsOf(whole)),
                    (f"epochs_{part}", EPOCHS, None),
                ):
                    model = plan.train(arm, seed, data, num_steps=steps)
                    label = f"1/{part} of the data, {line}"
                    plan.measure(arm, seed, model, label, line, facts=facts)
        plan.compare("sft", "epochs_2")
        for part in sorted(self.parts):
            plan.compare(f"epochs_{part}", f"steps_{part}")
        plan.plots.append(
            Plot(
                name="supervised",
                title="Accuracy against the amount of supervised data",
                x="train_problems",
                y="accuracy",
                series=(EPOCHS, STEPS),
                x_label="training problems",
                log_x=True,
                fit=True,
                paper="supervised",
            )
        )
