"""The sampler's geometry: how many slots, in which groups, with room for how much.

It is chosen from the model, the hardware and the settings, never from the problems at hand (but for
what their prompts have in common), and is written into `run.json`: at one geometry samples are
bit-identical.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from rft_jax.devices.chips import USABLE, size_text
from rft_jax.devices.sharding_rules import shard_elements
from rft_jax.errors import UserError
from rft_jax.models.config import LlamaConfig
from rft_jax.models.shapes import ITEM_BYTES, num_params, param_shapes
from rft_jax.sampling.settings import SampleSettings

_SMALLEST_BUCKET = 64
_LARGEST_TASK = 128
_LARGEST_GROUP = 8
_GROUPS_PER_REFILL = 16
_SLOTS = {"cpu": 128}  # most on a device; more would not make its matrix products more efficient
_SLOTS_ELSEWHERE = 512
_BLOCKS = {"gpu": 512}  # for each block after the first the host of a GPU waits at every step
_BLOCK = 128


class DoesNotFit(UserError):
    """Weights and the smallest cache are larger than the memory that formulas may fill."""


@dataclass(frozen=True)
class Hardware:
    """The devices that a geometry is chosen for.

    Attributes:
      platform: 'cpu', 'gpu' or 'tpu'.
      memory: bytes of one device; by default unlimited.
      shards: shards of the mesh that slots are split over.
      tensor: devices that kv heads are split over.
      weight_shards: devices that the weights of one copy of the model are split over.
      resident: bytes of one device that a training holds while it samples.
    """

    platform: str = "cpu"
    memory: float = math.inf
    shards: int = 1
    tensor: int = 1
    weight_shards: int = 1
    resident: int = 0


@dataclass(frozen=True)
class Geometry:
    """Sizes of the decoding state, over all devices.

    Attributes:
      slots: samples that are decoded at a time.
      group: slots that decode samples of the same problems and share their prompts.
      prompts: problems that a group holds at a time.
      refill: problems that are replaced, and prompts that are prefilled, together on a shard.
      chunk: maximum decoding steps of one call.
      columns: maximum tokens of a response.
      task: maximum samples of a problem that a group decodes between two refills.
      buckets: lengths that prompts (less their last token and what is common) are padded to.
      common: tokens that all prompts begin with, which are prefilled once and held once.
      ring: whether all slots write the same column of the cache at a step.
      int8: whether the cache holds int8.
      block: columns of a block of the cache; one that no slot has reached is not read.
    """

    slots: int
    group: int
    prompts: int
    refill: int
    chunk: int
    columns: int
    task: int
    buckets: tuple[int, ...]
    common: int = 0
    ring: bool = False
    int8: bool = False
    block: int = _BLOCK

    @property
    def groups(self) -> int:
        """How many groups of slots there are."""
        return self.slots // self.group

    @property
    def max_prompt_length(self) -> int:
        """The longest prompt, in tokens."""
        return self.common + self.buckets[-1] + 1

    def bucket_of(self, prompt_length: int) -> int:
        """The bucket for a prompt of that many tokens, its last one included."""
        own = prompt_length - self.common - 1
        return next(bucket for bucket in self.buckets if own <= bucket)

    @staticmethod
    def from_json(row: dict[str, Any]) -> Geometry:
        """A geometry that was written as JSON, its fields by name."""
        return Geometry(**row | {"buckets": tuple(row["buckets"])})


def choose_geometry(
    config: LlamaConfig,
    settings: SampleSettings,
    hardware: Hardware | None = None,
    common: int = 0,
) -> Geometry:
    """The geometry for a model, settings and hardware.

    Args:
      config: the model's.
      settings: how to sample; `slots` and `group` are chosen where they are 0.
      hardware: of the mesh; None for a CPU with memory enough.
      common: tokens that all prompts are known to begin with, fewer than the shortest one has.

    Raises:
      DoesNotFit: no group fits into the device's memory.
      UserError: the model's length leaves no room for a prompt beside max_new_tokens, or
        `sample.slots` can't be split evenly.
    """
    hardware = hardware or Hardware()
    room = config.max_length - settings.max_new_tokens
    if room < 2:
        raise UserError(
            f"{settings.gin_name}.max_new_tokens = {settings.max_new_tokens} leaves no room for a "
            f"prompt in the model's {config.length_field} of {config.max_length}; take at most "
            f"{config.max_length - 2}"
        )
    longest = min(settings.max_prompt_length, room) - 1
    group = settings.group or _default_group(settings, hardware.shards)
    geometry = Geometry(
        slots=settings.slots,
        group=group,
        prompts=1 if group == 1 else 2,
        refill=1,
        chunk=settings.chunk,
        columns=settings.max_new_tokens,
        task=min(settings.samples_at_a_time, _LARGEST_TASK),
        buckets=_buckets(longest - common),
        common=common,
        ring=hardware.platform == "tpu" and not settings.calculator,  # paused slots leave gaps
        int8=settings.cache_dtype == "int8",
        block=_BLOCKS.get(hardware.platform, _BLOCK),
    )
    if not settings.slots:
        geometry = _fill_memory(geometry, config, settings, hardware)
    if geometry.slots % (group * hardware.shards):
        raise UserError(
            f"{settings.gin_name}.slots = {geometry.slots} can't be split into groups of {group} "
            f"on each of {hardware.shards} shards of the mesh; take a multiple of "
            f"{group * hardware.shards}"
        )
    refill = geometry.groups // hardware.shards // _GROUPS_PER_REFILL
    return replace(geometry, refill=max(1, refill))


def _default_group(settings: SampleSettings, shards: int) -> int:
    """At most 8, and so few that every slot decodes two samples of a problem or more."""
    group, samples = _LARGEST_GROUP, settings.samples_at_a_time
    while group > 1 and (group * 2 > samples or settings.slots // shards % group):
        group //= 2
    return group


def _buckets(longest: int) -> tuple[int, ...]:
    """64, 128, 256 … and the longest itself, each at least 1.5 times the one before."""
    buckets, bucket = [], _SMALLEST_BUCKET
    while bucket * 1.5 < longest:
        buckets.append(bucket)
        bucket *= 2
    return (*buckets, longest)


def _fill_memory(
    geometry: Geometry, config: LlamaConfig, settings: SampleSettings, hardware: Hardware
) -> Geometry:
    """The geometry with the most slots (a power of two on every shard) that fit."""
    slots = max(_SLOTS.get(hardware.platform, _SLOTS_ELSEWHERE), geometry.group)
    while slots >= geometry.group:
        filled = replace(geometry, slots=slots * hardware.shards)
        needed = memory_needed(config, settings, filled, hardware)
        if sum(needed.values()) <= USABLE * hardware.memory:
            return filled
        slots //= 2
    beside = " beside the training" if hardware.resident else ""
    raise DoesNotFit(
        f"{num_params(config):,} parameters and the cache of {geometry.group} samples{beside} need "
        f"{size_text(sum(needed.values()))} on each device, and {USABLE:.0%} of its "
        f"{size_text(hardware.memory)} may be filled; {_ways_to_fit(settings)}"
    )


def _ways_to_fit(settings: SampleSettings) -> str:
    """Settings that would save memory and are not in use yet."""
    ways = ["split the model over devices (mesh.tensor, sample.shard_weights)"]
    name = settings.gin_name
    ways += [f"set {name}.dtype = 'bfloat16'"] * (settings.dtype != "bfloat16")
    ways += ["set sample.cache_dtype = 'int8'"] * (settings.cache_dtype != "int8")
    ways += [f"lower {name}.max_prompt_length or {name}.max_new_tokens"]
    return f"{', '.join(ways[:-1])}, or {ways[-1]}"


def memory_needed(
    config: LlamaConfig, settings: SampleSettings, geometry: Geometry, hardware: Hardware
) -> dict[str, int]:
    """Bytes on one device, by what takes them.

    Weights, prompts and responses (cache), logits; and the training, where there is one.
    """
    mesh = {"fsdp": hardware.weight_shards // hardware.tensor, "tensor": hardware.tensor}
    slots = geometry.slots // hardware.shards
    column = cache_column_bytes(config, settings, hardware.tensor)
    common = cache_column_bytes(config, replace(settings, cache_dtype=""), hardware.tensor)
    prompts = slots // geometry.group * geometry.prompts
    training = {"training": hardware.resident} if hardware.resident else {}
    return training | {
        "weights": shard_elements(param_shapes(config), mesh) * ITEM_BYTES[settings.dtype],
        "prompts": prompts * geometry.buckets[-1] * column + geometry.common * common,
        "responses": slots * geometry.columns * column,
        # Logits, probabilities, masses and two more of their kind, all of four bytes.
        "logits": slots * config.vocab_size * 4 * 5,
    }


def cache_column_bytes(config: LlamaConfig, settings: SampleSettings, tensor: int = 1) -> int:
    """Bytes of one token's keys and values in all layers on one device.

    Args:
      tensor: devices over which kv heads are split; a number that does not divide them leaves them
        whole.
    """
    heads = config.num_kv_heads
    heads = heads if heads % tensor else heads // tensor
    vector = ITEM_BYTES[settings.cache_dtype or settings.dtype] * config.head_size
    scale = 4 if settings.cache_dtype == "int8" else 0
    return 2 * config.num_layers * heads * (vector + scale)


def describe_memory(needed: dict[str, int], geometry: Geometry, hardware: Hardware) -> str:
    """The memory on one device in one line."""
    terms = " + ".join(f"{name} {size_text(size)}" for name, size in needed.items())
    return (
        f"{geometry.slots} slots in groups of {geometry.group}: {terms} = "
        f"{size_text(sum(needed.values()))} of {size_text(hardware.memory)} per device"
    )
