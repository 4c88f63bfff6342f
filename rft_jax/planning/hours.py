"""FLOPs and device hours of SFT, sampling and RFT on a data set; beside them the paper's FLOPs."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rft_jax.devices.chips import Chip
from rft_jax.models.config import LlamaConfig
from rft_jax.models.shapes import token_flops, train_flops_per_token
from rft_jax.planning.closed_form import sampling_flops
from rft_jax.planning.decoding import DecodePlan
from rft_jax.planning.paper import paper_sampling_flops, paper_train_flops
from rft_jax.planning.settings import PlanSettings
from rft_jax.training.settings import TrainSettings

SECONDS = 3600.0


@dataclass(frozen=True)
class StageCost:
    """The cost of a stage of the method.

    Attributes:
      name: `sft`, `sample`, `rft` or `rft_no_dedup`.
      steps: optimizer steps; 0 for sampling.
      tokens: trained or sampled, without padding.
      flops: of its matrix products.
      paper_flops: by the paper's formula.
      chip_hours: at the expected efficiency.
    """

    name: str
    steps: int
    tokens: float
    flops: float
    paper_flops: float
    chip_hours: float


def stage_costs(
    config: LlamaConfig,
    train: TrainSettings,
    data: PlanSettings,
    chip: Chip,
    *,
    k: int,
    decoding: DecodePlan,
) -> list[StageCost]:
    """SFT, sampling, and RFT on the reference solutions and the distinct sampled paths.

    Args:
      k: samples per problem.
      decoding: the decode step of the slice.
    """
    return [
        training_cost("sft", 1.0, config, train, data, chip),
        _sampling(config, data, chip, k, decoding),
        training_cost("rft", data.paths_per_problem, config, train, data, chip),
    ]


def training_cost(
    name: str,
    paths: float,
    config: LlamaConfig,
    train: TrainSettings,
    data: PlanSettings,
    chip: Chip,
) -> StageCost:
    """The cost of a training on so many paths per problem."""
    example = data.prompt_tokens + data.response_tokens
    per_epoch = data.num_problems * paths * example
    row = train.max_length * (data.fill if train.pack else example / train.max_length)
    batch = train.batch_size * train.max_length
    steps = train.num_steps or train.num_epochs * math.ceil(per_epoch / row / train.batch_size)
    tokens = per_epoch * train.num_epochs
    if train.num_steps:
        tokens = steps * train.batch_size * row
    flops = steps * batch * train_flops_per_token(config, train.max_length)
    hours = flops / (chip.peak * data.train_efficiency) / SECONDS
    return StageCost(name, steps, tokens, flops, paper_train_flops(config, tokens), hours)


def _sampling(
    config: LlamaConfig, data: PlanSettings, chip: Chip, k: int, decoding: DecodePlan
) -> StageCost:
    """Decode steps with every slot busy, and prefills at the chips' peak."""
    prompt, response = data.prompt_tokens, data.response_tokens
    samples = data.num_problems * k
    tokens = samples * response
    flops = data.num_problems * sampling_flops(config, prompt, response, k)
    prefill = data.num_problems * prompt * token_flops(config, prompt).blocks
    decode_seconds = tokens / decoding.tokens_per_second(chip) * decoding.num_chips
    seconds = decode_seconds + prefill / chip.peak
    theirs = samples * paper_sampling_flops(config, prompt, response)
    hours = seconds / data.sample_efficiency / SECONDS
    return StageCost("sample", 0, tokens, flops, theirs, hours)
