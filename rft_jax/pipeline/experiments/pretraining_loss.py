"""Accuracy of few-shot prompts, SFT and RFT against the pretraining loss."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rft_jax.errors import UserError
from rft_jax.files.names import checkpoint_of
from rft_jax.pipeline.experiments.small_models import (
    LEARNING_RATE,
    STEPS,
    TOKENS,
    WIDTHS,
    small_model,
)
from rft_jax.pipeline.measured_steps import check_rising
from rft_jax.pipeline.measures import LossAt, Plot
from rft_jax.pipeline.plan import Plan, model_input
from rft_jax.pipeline.stages import Argument, OutputOf

LINES = ("ICL", "SFT", "RFT")


@dataclass(frozen=True)
class PretrainingLoss:
    """Models of several losses: given, or small and pretrained here (intermediate checkpoints).

    Attributes:
      models: folders of pretrained models; () pretrains small models on the embedded text.
      losses: pretraining loss of each of the models.
      widths: hidden sizes of the small models (the embedded model's is 128).
      steps: pretraining steps at which a checkpoint is measured.
      tokens: number of tokens of the pretraining text.
      learning_rate: peak learning rate of pretraining.
      shots: number of training problems in the pretrained model's prompt.
      k: samples per problem for RFT.
    """

    models: tuple[str, ...] = ()
    losses: tuple[float, ...] = ()
    widths: tuple[int, ...] = WIDTHS
    steps: tuple[int, ...] = STEPS
    tokens: int = TOKENS
    learning_rate: float = LEARNING_RATE
    shots: int = 1
    k: int = 12

    def __post_init__(self) -> None:
        check_rising("pretraining_loss.steps", self.steps)
        if len(self.models) != len(self.losses):
            raise UserError(
                f"pretraining_loss.models has {len(self.models)} items, .losses "
                f"{len(self.losses)}; give every model its loss"
            )

    def add_to(self, plan: Plan) -> None:
        """Every pretrained model is measured with few-shot prompts, after SFT and after RFT."""
        for seed in plan.seeds:
            for name, model, loss in self._pretrained(plan):
                facts = {"pretraining_loss": loss}
                prompts = plan.few_shot("icl", seed, self.shots)
                arm, label = f"icl_{name}", f"{self.shots}-shot, {name}"
                plan.measure(arm, seed, model, label, "ICL", problems=prompts, facts=facts)
                sft, samples = plan.sft(seed, f"sft_{name}", model)
                rft = plan.rft(f"rft_{name}", seed, samples, self.k, model)
                plan.measure(f"rft_{name}", seed, rft, f"RFT, {name}", "RFT", facts=facts)
                plan.measure(f"sft_{name}", seed, sft, f"SFT, {name}", "SFT", facts=facts)
        names = dict.fromkeys(one.arm.partition("_")[2] for one in plan.measured)
        for name in reversed(names):  # the widest and longest pretrained first
            plan.compare(f"rft_{name}", f"sft_{name}")
        plan.plots.append(
            Plot(
                name="loss",
                title="Accuracy against pretraining loss",
                x="pretraining_loss",
                y="accuracy",
                series=LINES,
                x_label="pretraining loss",
                fit=True,
                paper="loss",
            )
        )

    def _pretrained(self, plan: Plan) -> Iterator[tuple[str, Argument, float | LossAt]]:
        """Name, model and loss of each pretrained model."""
        for i, (folder, loss) in enumerate(zip(self.models, self.losses, strict=True)):
            given = model_input(folder, "pretraining_loss.models")
            yield f"model{i + 1}", given, loss
        if not self.models and not plan.has_embedded_model:
            raise UserError(
                "pretraining_loss.models is empty: name folders of pretrained models, and their "
                "losses (small models are pretrained only with the embedded model)"
            )
        for width in () if self.models else self.widths:
            stage = small_model(plan, width, self.steps, self.tokens, self.learning_rate)
            for step in self.steps:
                model = OutputOf(stage, checkpoint_of(step))
                yield f"w{width}_{step}", model, LossAt(stage, step)
