"""Memory, FLOPs and bytes of a train step and of a decode step, by formula; no JAX, no libtpu."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from rft_jax.devices.chips import Chip
from rft_jax.devices.sharding_rules import fitting_axes
from rft_jax.models.config import LlamaConfig
from rft_jax.models.shapes import (
    adapter_shapes,
    param_shapes,
    token_flops,
    train_flops_per_token,
)
from rft_jax.sampling.geometry import Geometry
from rft_jax.training.settings import TrainSettings

_ITEM_BYTES = {"float32": 4, "bfloat16": 2}
_COUNTERS = 8  # the step's and the optimizer's, int32


@dataclass(frozen=True)
class Cost:
    """What one chip does in a step.

    Attributes:
      flops: in matrix products.
      useful_flops: of those, what is not computed twice (MFU counts these).
      bytes_moved: between memory and chip.
      bytes_sent: to other chips.
    """

    flops: float
    useful_flops: float
    bytes_moved: float
    bytes_sent: float

    def seconds(self, chip: Chip) -> float:
        """The roofline: the longest of computing, moving and sending, all overlapped."""
        return max(
            self.flops / chip.peak,
            self.bytes_moved / chip.bandwidth,
            self.bytes_sent / chip.interconnect,
        )

    def limit(self, chip: Chip) -> str:
        """What the roofline is bound by."""
        times = {
            "compute": self.flops / chip.peak,
            "memory": self.bytes_moved / chip.bandwidth,
            "interconnect": self.bytes_sent / chip.interconnect,
        }
        return max(times, key=lambda name: times[name])

    def mfu_bound(self, chip: Chip) -> float:
        """The share of the peak that useful FLOPs reach at the roofline."""
        return self.useful_flops / chip.peak / self.seconds(chip)


def shard_elements(shapes: Mapping[str, tuple[int, ...]], mesh: Mapping[str, int]) -> int:
    """Elements of all parameters that lie on one chip, by the sharding rules."""
    total = 0
    for path, shape in shapes.items():
        axes = fitting_axes(path, shape, mesh)
        total += math.prod(shape) // math.prod(mesh[axis] for axis in axes if axis)
    return total


def state_bytes(config: LlamaConfig, settings: TrainSettings, mesh: Mapping[str, int]) -> int:
    """Bytes of the train state on one chip: float32 parameters, AdamW's moments, counters."""
    frozen = shard_elements(param_shapes(config), mesh)
    trained = frozen
    if config.lora is not None:
        trained = shard_elements(adapter_shapes(config), mesh)
    else:
        frozen = 0
    moments = _ITEM_BYTES[settings.moment_dtype] + 4  # the second stays float32
    return 4 * frozen + (4 + moments) * trained + _COUNTERS


def activation_bytes(
    config: LlamaConfig, settings: TrainSettings, mesh: Mapping[str, int]
) -> float:
    """About what the forward pass keeps for the backward pass on one chip, and works with."""
    item = _ITEM_BYTES[settings.dtype]
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
    """About what a step needs beside the state on one chip.

    Gradients, the parameters' shard in the compute dtype, the gathered weights of two layers (one
    computes while the next is on its way) and of a vocabulary table with its gradient, activations.
    """
    item, shapes = _ITEM_BYTES[settings.dtype], param_shapes(config)
    gradients = 4 * shard_elements(adapter_shapes(config) or shapes, mesh)
    copy = item * shard_elements(shapes, mesh) if settings.dtype != "float32" else 0
    gathered = 0.0
    if mesh["fsdp"] > 1:
        layer = sum(math.prod(s[1:]) for path, s in shapes.items() if path.startswith("layers/"))
        table = config.vocab_size * config.hidden_size
        gathered = 2 * item * (layer + table) / mesh["tensor"]
    return gradients + copy + gathered + activation_bytes(config, settings, mesh)


def train_cost(config: LlamaConfig, settings: TrainSettings, mesh: Mapping[str, int]) -> Cost:
    """One optimizer step on one chip.

    Moved are the state (read and written), the gradients, and in every part of the batch and every
    pass the gathered weights and the activations. Sent are, under fsdp, the weights gathered for
    every pass and the gradients scattered; under `data` the gradients; under `tensor` the
    activations, four times a block and pass.
    """
    chips = math.prod(mesh.values())
    item, parts = _ITEM_BYTES[settings.dtype], settings.gradient_accumulation
    tokens = settings.batch_size * settings.max_length
    useful = train_flops_per_token(config, settings.max_length) * tokens / chips
    flops = token_flops(config, settings.max_length)
    again = flops.recomputed(settings.remat) + (flops.unembed if settings.loss_chunk else 0.0)
    params = sum(map(math.prod, param_shapes(config).values())) / mesh["tensor"]
    passes = 2 if settings.remat == "none" else 3
    local = tokens / (mesh["data"] * mesh["fsdp"])
    state = state_bytes(config, settings, mesh)
    activations = activation_bytes(config, settings, mesh)
    moved = 2 * state + parts * (2 * passes * item * params + 3 * activations)
    sent = 0.0
    if mesh["fsdp"] > 1:
        sent += parts * params * (passes * item + item) * (1 - 1 / mesh["fsdp"])
    if mesh["data"] > 1:
        sent += 2 * 4 * params / mesh["fsdp"] * (1 - 1 / mesh["data"])
    if mesh["tensor"] > 1:
        block = 2 * passes * 2 * item * local * config.hidden_size
        sent += block * config.num_layers * (1 - 1 / mesh["tensor"])
    return Cost(useful + again * tokens / chips, useful, moved, sent)


def cache_bytes_per_token(config: LlamaConfig, item: int = 2) -> float:
    """Bytes of a token's keys and values in all layers."""
    return 2.0 * item * config.num_layers * config.num_kv_heads * config.head_size


def decode_cost(
    config: LlamaConfig, slots: int, group: int, prompt: float, context: float, tensor: int
) -> Cost:
    """One decoding step of one copy of the model, on each of its `tensor` chips, in bfloat16.

    Args:
      slots: tokens decoded at a time.
      group: slots that share a prompt, whose keys and values are read once.
      prompt: its tokens.
      context: tokens that a slot has drawn itself, on average.
    """
    flops = slots * token_flops(config, prompt + context).forward / tensor
    weights = 2.0 * (config.num_params - _looked_up(config))
    cache = cache_bytes_per_token(config) * (slots / group * prompt + slots * context)
    sent = 0.0
    if tensor > 1:
        sent = 2 * 2 * 2.0 * slots * config.hidden_size * config.num_layers * (1 - 1 / tensor)
    return Cost(flops, flops, (weights + cache) / tensor, sent)


def _looked_up(config: LlamaConfig) -> int:
    """Parameters of which a step reads a few rows only."""
    return 0 if config.tie_word_embeddings else config.vocab_size * config.hidden_size


def sampling_flops(config: LlamaConfig, prompt: float, response: float, k: int) -> float:
    """FLOPs of k samples of one problem, whose prompt is prefilled once."""
    prefill = prompt * token_flops(config, prompt).blocks
    return prefill + k * response * token_flops(config, prompt + response / 2).forward


def decode_bytes(config: LlamaConfig, geometry: Geometry) -> float:
    """Weights and cache of one copy of the model, in bfloat16, over all of its chips."""
    prompts = geometry.prompts * geometry.groups * geometry.buckets[-1]
    columns = prompts + geometry.slots * geometry.columns
    return 2.0 * config.num_params + cache_bytes_per_token(config) * columns


def decode_tensor(state: float, chip: Chip, most: int) -> int:
    """The fewest chips (a power of two) that `state` bytes leave a third of the memory of."""
    tensor = 1
    while state / tensor > chip.hbm * 2 / 3 and 2 * tensor <= most:
        tensor *= 2
    return tensor
