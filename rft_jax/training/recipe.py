"""Batch size and learning rate by the size of data and model, for settings that leave them open.

The batch makes about `STEPS` optimizer steps of the epochs over the reference solutions, and has at
most the examples of the paper's batch. It goes by the number of questions, not of paths: SFT and
RFT on the same problems have the same batch, as in the paper.

The learning rate is a power of the number of parameters through two points: the paper's 2e-5 at 7B
(arXiv 2308.01825, § 3) and the embedded model's 1e-3 at 0.8M. At 33B it gives the paper's 1e-5.
"""

from __future__ import annotations

from dataclasses import replace

from rft_jax.models.config import LlamaConfig
from rft_jax.models.shapes import num_params
from rft_jax.training.settings import TrainSettings

STEPS = 100
_EXAMPLES = 128
_PARAMS, _RATE, _POWER = 7e9, 2e-5, -0.43
# Adapters learn best at about ten times the rate of full fine-tuning (Schulman et al. 2025, LoRA
# Without Regret).
_OF_ADAPTERS = 10.0


def complete(
    settings: TrainSettings, config: LlamaConfig, questions: int, columns: float, unit: int = 1
) -> TrainSettings:
    """The settings with a batch size and a learning rate, chosen where they are 0.

    Args:
      config: the model's shape.
      questions: number of different questions in the training data.
      columns: of a row that an example fills, on average.
      unit: the batch has a multiple of this many rows, by devices and microbatches.
    """
    return replace(
        settings,
        batch_size=settings.batch_size or _batch_rows(settings, questions, columns, unit),
        learning_rate=settings.learning_rate or _learning_rate(settings, config),
    )


def _batch_rows(settings: TrainSettings, questions: int, columns: float, unit: int) -> int:
    examples = min(_EXAMPLES, questions * max(settings.num_epochs, 1) / STEPS)
    share = columns / settings.max_length if settings.pack else 1.0
    return max(1, round(examples * share / unit)) * unit


def _learning_rate(settings: TrainSettings, config: LlamaConfig) -> float:
    """To two digits."""
    rate = _RATE * (num_params(config) / _PARAMS) ** _POWER
    return float(f"{rate * (_OF_ADAPTERS if settings.lora_rank else 1.0):.1e}")
