"""Small models of other sizes than the embedded model, pretrained within an experiment."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from rft_jax.checkpoints.names import TOKENIZER
from rft_jax.gin_settings import load_config
from rft_jax.models.config import LlamaConfig
from rft_jax.pipeline.plan import Plan
from rft_jax.pipeline.stages import Given, Stage

WIDTHS, STEPS, TOKENS, LEARNING_RATE = (64, 128), (2000, 4000, 8000), 10_000_000, 2.5e-3
SAVED = range(math.gcd(*STEPS), max(STEPS) + 1, math.gcd(*STEPS))
"""The steps after which such a pretraining leaves a model."""
TEMPLATE = "plain"
"""The template for SFT and RFT: the pretraining text has questions in this form."""
_EMBEDDED = "wordproblems"


def small_model(
    plan: Plan,
    width: int,
    steps: Sequence[int] = STEPS,
    tokens: int = TOKENS,
    learning_rate: float = LEARNING_RATE,
) -> Stage:
    """A model of this width, pretrained on the embedded text; experiments share it.

    Args:
      width: the hidden size, in place of the embedded model's 128.
      steps: steps at which a checkpoint is kept; training ends at the last one.
      tokens: number of tokens of the text, whose rows have two worked problems each.
      learning_rate: peak learning rate.
    """
    apart = math.gcd(*steps)
    return plan.train(
        f"w{width}",
        0,
        plan.derive("one_shot_text", "pretraining", 0, {}, tokens),
        Given(f"init:{_EMBEDDED}"),
        shape=embedded_shape(width),
        tokenizer=TOKENIZER,
        template="none",
        max_length=240,
        batch_size=5,
        num_epochs=1,
        num_steps=max(steps),
        learning_rate=learning_rate,
        warmup_ratio=0.02,
        beta2=0.99,
        save_every_steps=apart,
        keep_checkpoints=max(steps) // apart + 1,
    )


def embedded_shape(width: int) -> LlamaConfig:
    """The embedded model's shape with another width and the same number of heads."""
    gin = load_config({"llama": LlamaConfig}, [f"models/{_EMBEDDED}.gin"])
    shape = gin.get(LlamaConfig)
    inner = shape.intermediate_size * width // shape.hidden_size
    return replace(shape, hidden_size=width, intermediate_size=inner)
