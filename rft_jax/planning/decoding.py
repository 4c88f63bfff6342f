"""The decode step that `rft sample` would run on a slice: geometry, memory and cost; no JAX."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rft_jax.devices.chips import USABLE, Chip, available_memory
from rft_jax.errors import UserError
from rft_jax.models.config import LlamaConfig
from rft_jax.models.shapes import ITEM_BYTES, num_params, token_flops
from rft_jax.planning.closed_form import StepCost
from rft_jax.planning.settings import PlanSettings
from rft_jax.planning.topologies import Topology
from rft_jax.sampling.geometry import (
    DoesNotFit,
    Geometry,
    Hardware,
    cache_column_bytes,
    choose_geometry,
    memory_needed,
)
from rft_jax.sampling.settings import SampleSettings

_SMALLEST_GROUP = 8


@dataclass(frozen=True)
class DecodePlan:
    """The decode step of a slice that holds copies of the model.

    Attributes:
      hardware: the slice as the sampler sees it; `tensor` chips share one of `shards` copies.
      geometry: the sampler's, over all chips.
      memory: bytes on one chip, by what they are for.
      cost: of one step on one chip.
    """

    hardware: Hardware
    geometry: Geometry
    memory: dict[str, int]
    cost: StepCost

    @property
    def num_chips(self) -> int:
        """Chips of all copies."""
        return self.hardware.shards * self.hardware.tensor

    @property
    def needed(self) -> int:
        """Bytes on one chip."""
        return sum(self.memory.values())

    @property
    def fits(self) -> bool:
        """Whether the sampler would accept it."""
        return self.needed <= USABLE * self.hardware.memory

    def tokens_per_second(self, chip: Chip) -> float:
        """Sampled tokens per second of the whole slice at the roofline."""
        return self.geometry.slots / self.cost.seconds(chip)


def plan_decoding(
    config: LlamaConfig, sample: SampleSettings, data: PlanSettings, topology: Topology
) -> DecodePlan:
    """The decode step on `plan.sample_tensor` chips per copy.

    With 0, the fewest chips with which the slice decodes the most samples at a time.

    Raises:
      UserError: `plan.sample_tensor` does not divide the chips, the sampler refuses a setting, or
        weights are split over `fsdp`.
    """
    if sample.shard_weights:
        raise UserError(
            "sample.shard_weights = True: rft plan knows only copies that are split over "
            "mesh.tensor; for the plan, set it to False and plan.sample_tensor to the chips of a "
            "copy"
        )
    chips = topology.num_chips
    if chips % (data.sample_tensor or 1):
        raise UserError(
            f"plan.sample_tensor {data.sample_tensor} does not divide the {chips} chips of "
            f"{topology.name}"
        )
    powers = [2**i for i in range(chips.bit_length()) if chips % 2**i == 0]
    plans = []
    for tensor in [data.sample_tensor] if data.sample_tensor else powers:
        try:
            plans.append(_decoding(config, sample, data, topology, tensor))
        except UserError:  # sample.slots may not split over many copies
            if tensor in (data.sample_tensor, powers[-1]):
                raise
    fitting = [plan for plan in plans if plan.fits]
    return max(fitting, key=lambda plan: plan.geometry.slots) if fitting else plans[-1]


def _decoding(
    config: LlamaConfig,
    sample: SampleSettings,
    data: PlanSettings,
    topology: Topology,
    tensor: int,
) -> DecodePlan:
    """On `tensor` chips per copy; with one group per copy where not even that fits."""
    hardware = Hardware(
        platform="tpu" if topology.is_tpu else "gpu",
        memory=available_memory(topology.chip),
        shards=topology.num_chips // tensor,
        tensor=tensor,
        weight_shards=tensor,
    )
    try:
        geometry = choose_geometry(config, sample, hardware)
    except DoesNotFit:
        slots = (sample.group or _SMALLEST_GROUP) * hardware.shards
        geometry = choose_geometry(config, replace(sample, slots=slots), hardware)
    memory = memory_needed(config, sample, geometry, hardware)
    prompt, context = data.prompt_tokens, data.response_tokens / 2
    cost = decode_cost(config, sample, geometry, hardware, prompt, context)
    return DecodePlan(hardware, geometry, memory, cost)


def decode_cost(
    config: LlamaConfig,
    sample: SampleSettings,
    geometry: Geometry,
    hardware: Hardware,
    prompt: float,
    context: float,
) -> StepCost:
    """One decode step on one chip.

    A group's prompt is read once for all of its slots. Under `tensor` two sums per layer cross the
    chips of a copy.

    Args:
      prompt: mean prompt tokens.
      context: mean tokens that a slot has sampled so far.
    """
    slots, tensor = geometry.slots // hardware.shards, hardware.tensor
    item = ITEM_BYTES[sample.dtype]
    flops = slots * token_flops(config, prompt + context).forward / tensor
    weights = item * (num_params(config) - _looked_up(config)) / tensor
    column = cache_column_bytes(config, sample, tensor)
    cache = column * (slots / geometry.group * prompt + slots * context)
    sums = 2 * config.num_layers * slots * config.hidden_size * item
    return StepCost(flops, flops, weights + cache, 2 * sums * (1 - 1 / tensor))


def _looked_up(config: LlamaConfig) -> int:
    """Parameters of which a step reads a few rows only."""
    return 0 if config.tie_word_embeddings else config.vocab_size * config.hidden_size
