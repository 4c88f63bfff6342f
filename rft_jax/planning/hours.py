"""FLOPs and device hours of the whole method on a data set, ours beside the paper's counting."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rft_jax.devices.chips import Chip
from rft_jax.models.config import LlamaConfig
from rft_jax.models.shapes import train_flops_per_token
from rft_jax.planning import paper
from rft_jax.planning.closed_form import decode_cost, sampling_flops
from rft_jax.planning.settings import PlanSettings
from rft_jax.training.settings import TrainSettings

_SECONDS = 3600.0


@dataclass(frozen=True)
class Stage:
    """What a stage of the method costs.

    Attributes:
      name: `sft`, `sample` or `rft`.
      steps: optimizer steps; 0 for sampling.
      tokens: trained or drawn, padding apart.
      flops: of its matrix products.
      paper_flops: as the paper counts them.
      chip_hours: at the expected efficiency.
    """

    name: str
    steps: int
    tokens: float
    flops: float
    paper_flops: float
    chip_hours: float


def stages(
    config: LlamaConfig,
    train: TrainSettings,
    data: PlanSettings,
    chip: Chip,
    *,
    k: int,
    slots: int,
    group: int,
    tensor: int,
) -> list[Stage]:
    """SFT, sampling k paths a problem, and RFT on the human path and the distinct ones.

    Args:
      slots: samples drawn at a time by one copy of the model.
      group: of them, those that share a prompt.
      tensor: chips of one copy in sampling.
    """
    return [
        _training("sft", 1.0, config, train, data, chip),
        _sampling(config, data, chip, k, slots, group, tensor),
        _training("rft", data.paths_per_problem, config, train, data, chip),
    ]


def _training(
    name: str,
    paths: float,
    config: LlamaConfig,
    train: TrainSettings,
    data: PlanSettings,
    chip: Chip,
) -> Stage:
    example = data.prompt_tokens + data.response_tokens
    per_epoch = data.num_problems * paths * example
    row = train.max_length * (data.fill if train.pack else example / train.max_length)
    batch = train.batch_size * train.max_length
    steps = train.num_steps or train.num_epochs * math.ceil(per_epoch / row / train.batch_size)
    tokens = per_epoch * train.num_epochs
    if train.num_steps:
        tokens = steps * train.batch_size * row
    flops = steps * batch * train_flops_per_token(config, train.max_length)
    hours = flops / (chip.peak * data.train_efficiency) / _SECONDS
    return Stage(name, steps, tokens, flops, paper.train_flops(config, tokens), hours)


def _sampling(
    config: LlamaConfig,
    data: PlanSettings,
    chip: Chip,
    k: int,
    slots: int,
    group: int,
    tensor: int,
) -> Stage:
    prompt, response = data.prompt_tokens, data.response_tokens
    samples = data.num_problems * k
    cost = decode_cost(config, slots, group, prompt, response / 2, tensor)
    steps = samples * response / slots
    flops = data.num_problems * sampling_flops(config, prompt, response, k)
    prefill = flops - samples * response * (cost.flops * tensor / slots)
    seconds = steps * cost.seconds(chip) * tensor + max(prefill, 0.0) / chip.peak
    theirs = samples * paper.sampling_flops(config, prompt, response)
    hours = seconds / data.sample_efficiency / _SECONDS
    return Stage("sample", 0, samples * response, flops, theirs, hours)
