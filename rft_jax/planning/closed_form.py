"""Memory, FLOPs and bytes of a train step by formula, and the roofline; no JAX, no libtpu."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from rft_jax.devices.chips import Chip
from rft_jax.devices.sharding_rules import shard_elements
from rft_jax.models.config import LlamaConfig
from rft_jax.models.shapes import (
    ITEM_BYTES,
    adapter_shapes,
    param_shapes,
    token_flops,
    train_flops_per_token,
)
from rft_jax.training.memory import state_bytes
from rft_jax.training.settings import TrainSettings


@dataclass(frozen=True)
class StepCost:
    """The work of one chip in a step.

    Attributes:
      flops: FLOPs of matrix products.
      useful_flops: those without recomputation, which MFU counts.
      bytes_moved: bytes between memory and chip.
      bytes_sent: bytes to other chips.
    """

    flops: float
    useful_flops: float
    bytes_moved: float
    bytes_sent: float

    def seconds(self, chip: Chip) -> float:
        """The roofline: the longest of computing, moving and sending, all overlapped."""
        return max(self._times(chip).values())

    def limit(self, chip: Chip) -> str:
        """The resource that takes longest: `compute`, `memory` or `interconnect`."""
        times = self._times(chip)
        return max(times, key=times.__getitem__)

    def _times(self, chip: Chip) -> dict[str, float]:
        return {
            "compute": self.flops / chip.peak,
            "memory": self.bytes_moved / chip.bandwidth,
            "interconnect": self.bytes_sent / chip.interconnect,
        }

    def mfu_bound(self, chip: Chip) -> float:
        """The share of the peak that useful FLOPs reach at the roofline."""
        return self.useful_flops / chip.peak / self.seconds(chip)


def activation_bytes(
    config: LlamaConfig, settings: TrainSettings, mesh: Mapping[str, int]
) -> float:
    """Estimate of the activations on one chip: those kept for the backward pass and one block's."""
    item = ITEM_BYTES[settings.dtype]
    rows = settings.batch_size / settings.gradient_accumulation
    tokens = rows * settings.max_length / (mesh["data"] * mesh["fsdp"])
    width, tensor = config.hidden_size, mesh["tensor"]
    queries = config.num_heads * config.head_size / tensor
    keys = config.num_kv_heads * config.head_size / tensor
    ffn = config.intermediate_size / tensor
    is_flash = settings.attention != "einsum" and settings.dtype == "bfloat16"
    scores = 0.0 if is_flash else config.num_heads / tensor * settings.max_length
    whole = item * (2 * width + 2 * queries + 2 * keys + 3 * ffn) + 4 * width + (4 + item) * scores
    kept = {"none": whole, "save_attention": item * (width + queries), "full": item * width}
    layers = tokens * config.num_layers * kept[settings.remat]
    one_block = tokens * whole if settings.remat != "none" else 0.0
    chunk = settings.loss_chunk or settings.max_length
    logits = 2 * 4 * tokens * chunk / settings.max_length * config.vocab_size / tensor
    return layers + max(one_block, logits)


def temporary_bytes(config: LlamaConfig, settings: TrainSettings, mesh: Mapping[str, int]) -> float:
    """Estimate of a step's memory on one chip besides the state.

    Gradients, the parameters' shard in the compute dtype, the gathered weights of two layers (one
    computes while the next is on its way) and of a vocabulary table with its gradient, activations.
    """
    item, shapes = ITEM_BYTES[settings.dtype], param_shapes(config)
    gradients = 4 * shard_elements(adapter_shapes(config) or shapes, mesh)
    copy = item * shard_elements(shapes, mesh) if settings.dtype != "float32" else 0
    gathered = 0.0
    if mesh["fsdp"] > 1:
        layer = sum(math.prod(s[1:]) for path, s in shapes.items() if path.startswith("layers/"))
        table = config.vocab_size * config.hidden_size
        gathered = 2 * item * (layer + table) / mesh["tensor"]
    return gradients + copy + gathered + activation_bytes(config, settings, mesh)


def train_cost(config: LlamaConfig, settings: TrainSettings, mesh: Mapping[str, int]) -> StepCost:
    """One optimizer step on one chip.

    Bytes moved: the state (read and written), the gradients, and for every microbatch and pass the
    gathered weights and the activations. Bytes sent: under `fsdp` the weights gathered for every
    pass and the scattered gradients; under `data` the gradients; under `tensor` the activations,
    four times per block and pass.
    """
    chips = math.prod(mesh.values())
    item, microbatches = ITEM_BYTES[settings.dtype], settings.gradient_accumulation
    tokens = settings.batch_size * settings.max_length
    useful = train_flops_per_token(config, settings.max_length) * tokens / chips
    flops = token_flops(config, settings.max_length)
    again = flops.recomputed(settings.remat) + (flops.unembed if settings.loss_chunk else 0.0)
    params = sum(map(math.prod, param_shapes(config).values())) / mesh["tensor"]
    passes = 2 if settings.remat == "none" else 3
    local = tokens / (mesh["data"] * mesh["fsdp"])
    state = state_bytes(config, settings, mesh)
    activations = activation_bytes(config, settings, mesh)
    moved = 2 * state + microbatches * (2 * passes * item * params + 3 * activations)
    sent = 0.0
    if mesh["fsdp"] > 1:
        sent += microbatches * params * (passes * item + item) * (1 - 1 / mesh["fsdp"])
    if mesh["data"] > 1:
        sent += 2 * 4 * params / mesh["fsdp"] * (1 - 1 / mesh["data"])
    if mesh["tensor"] > 1:
        block = 2 * passes * 2 * item * local * config.hidden_size
        sent += block * config.num_layers * (1 - 1 / mesh["tensor"])
    return StepCost(useful + again * tokens / chips, useful, moved, sent)


def sampling_flops(config: LlamaConfig, prompt: float, response: float, k: int) -> float:
    """FLOPs of k samples of one problem, whose prompt is prefilled once.

    Args:
      prompt: its tokens.
      response: mean tokens of a sample.
    """
    prefill = prompt * token_flops(config, prompt).blocks
    return prefill + k * response * token_flops(config, prompt + response / 2).forward
