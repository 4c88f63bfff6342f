"""Accuracy of few-shot prompts, SFT and RFT against the pretraining loss."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rft_jax.errors import UserError
from rft_jax.gin_settings import load_config
from rft_jax.model_names import TOKENIZER
from rft_jax.models.config import LlamaConfig
from rft_jax.pipeline.measures import Figure, LossAt
from rft_jax.pipeline.plan import Plan, model_input
from rft_jax.pipeline.stages import Argument, Given, OutputOf

LINES = ("ICL", "SFT", "RFT")
_EMBEDDED = "wordproblems"


@dataclass(frozen=True)
class PretrainingLoss:
    """Models of several losses: given ones, or small ones pretrained here and caught on the way.

    Attributes:
      models: folders of pretrained models; () pretrains small ones on the embedded text.
      losses: the pretraining loss of each of them.
      widths: of the small models, in place of the embedded model's 128.
      steps: of pretraining, at each of which a checkpoint is measured.
      tokens: of pretraining text.
      learning_rate: the peak in pretraining; rows and batches are those of scope `pretrained`.
      shots: training problems in the prompt of the pretrained model.
      k: samples a problem for RFT.
    """

    models: tuple[str, ...] = ()
    losses: tuple[float, ...] = ()
    widths: tuple[int, ...] = (64, 128)
    steps: tuple[int, ...] = (500, 1000, 2000)
    tokens: int = 3_000_000
    learning_rate: float = 2.5e-3
    shots: int = 1
    k: int = 12

    def __post_init__(self) -> None:
        if len(self.models) != len(self.losses):
            raise UserError(
                f"pretraining_loss.models are {len(self.models)}, .losses {len(self.losses)}; as "
                "many are needed"
            )

    def add_to(self, plan: Plan) -> None:
        """Every pretrained model goes through the same three ways of getting answers."""
        for seed in plan.seeds:
            for name, model, loss in self._pretrained(plan):
                facts = {"pretraining_loss": loss}
                prompts = plan.few_shot("icl", seed, self.shots)
                arm, label = f"icl_{name}", f"{self.shots}-shot, {name}"
                plan.measure(arm, seed, model, label, "ICL", problems=prompts, facts=facts)
                sft = plan.train(f"sft_{name}", seed, plan.train_problems, model)
                samples = plan.sample(f"sft_{name}", seed, OutputOf(sft))
                data = plan.collect_first(f"rft_{name}", seed, samples, self.k)
                rft = plan.train(f"rft_{name}", seed, data, model)
                plan.measure(f"rft_{name}", seed, rft, f"RFT, {name}", "RFT", facts=facts)
                plan.measure(f"sft_{name}", seed, sft, f"SFT, {name}", "SFT", facts=facts)
        for name in dict.fromkeys(one.arm.partition("_")[2] for one in plan.measured):
            plan.compare(f"rft_{name}", f"sft_{name}")
        plan.figures.append(
            Figure(
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
        """Name, model and loss of each."""
        for i, (folder, loss) in enumerate(zip(self.models, self.losses, strict=True)):
            yield f"model{i + 1}", model_input(Path(folder).absolute()), loss
        for width in () if self.models else self.widths:
            name = f"w{width}"
            text = plan.derive("one_shot_text", "pretraining", 0, {}, self.tokens)
            stage = plan.train(
                name,
                0,
                text,
                Given(f"init:{_EMBEDDED}"),
                shape=embedded_shape(width),
                **self._recipe(),
            )
            for step in self.steps:
                model = OutputOf(stage, f"checkpoints/{step}")
                yield f"{name}_{step}", model, LossAt(stage, step)

    def _recipe(self) -> dict[str, Any]:
        """Of pretraining: text as it is, and a checkpoint wherever one is measured."""
        apart = min((b - a for a, b in zip((0, *self.steps), self.steps, strict=False)), default=1)
        return {
            "tokenizer": TOKENIZER,
            "template": "none",
            "num_epochs": 1,
            "num_steps": max(self.steps),
            "learning_rate": self.learning_rate,
            "save_every_steps": apart,
            "keep_checkpoints": max(self.steps) // apart + 1,
        }


def embedded_shape(width: int) -> LlamaConfig:
    """The embedded model's shape at another width, heads as many."""
    gin = load_config({"llama": LlamaConfig}, [f"models/{_EMBEDDED}.gin"])
    shape = gin.get(LlamaConfig)
    inner = shape.intermediate_size * width // shape.hidden_size
    return replace(shape, hidden_size=width, intermediate_size=inner)
