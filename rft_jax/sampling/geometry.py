"""The sampler's geometry: how many slots, in which groups, with room for how much.

It is chosen from the model, the hardware and the settings, never from the problems at hand, and is
written into `run.json`: at one geometry samples are the same bit for bit.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

from rft_jax.errors import UserError
from rft_jax.models.config import LlamaConfig
from rft_jax.sampling.settings import SampleSettings

_SMALLEST_BUCKET = 64
_LARGEST_TASK = 128
_LARGEST_GROUP = 8
_GROUPS_PER_REFILL = 16
_SLOTS = {"cpu": 128}  # most of a device; what is beyond no longer makes products more efficient
_SLOTS_ELSEWHERE = 512
_USABLE = 0.8  # of a device's memory
_BYTES = {"float32": 4, "bfloat16": 2, "int8": 1}


@dataclass(frozen=True)
class Hardware:
    """What a geometry is chosen for.

    Attributes:
      platform: 'cpu', 'gpu' or 'tpu'.
      memory: bytes of one device; without a number, it is taken to be enough.
      shards: parts of the mesh that slots are split over.
      tensor: devices that kv heads are split over.
      weight_parts: devices that the weights are split over.
    """

    platform: str = "cpu"
    memory: float = math.inf
    shards: int = 1
    tensor: int = 1
    weight_parts: int = 1


@dataclass(frozen=True)
class Geometry:
    """Sizes of the decoding state, over all devices.

    Attributes:
      slots: samples drawn at a time.
      group: slots that draw for the same problems and share their prompts.
      prompts: problems that a group holds at a time.
      refill: problems that are exchanged, and prompts that are prefilled, together.
      chunk: most steps of one call.
      columns: most tokens of a response.
      task: most samples that a group draws of a problem between two exchanges.
      buckets: lengths that prompts (less their last token and what is common) are padded to.
      common: tokens that all prompts begin with, which are read once and held once.
      ring: whether all slots write the same column of the cache at a step.
      int8: whether the cache holds int8.
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

    @property
    def groups(self) -> int:
        """Groups of slots."""
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
        """What `to_json` made."""
        return Geometry(**row | {"buckets": tuple(row["buckets"])})

    def to_json(self) -> dict[str, Any]:
        """For `run.json`."""
        return asdict(self)


def choose_geometry(
    config: LlamaConfig,
    settings: SampleSettings,
    hardware: Hardware | None = None,
    common: int = 0,
) -> Geometry:
    """The geometry for a model, settings and hardware.

    Args:
      common: tokens that all prompts are known to begin with, less than the shortest one's.

    Raises:
      UserError: the model has no room for a prompt beside max_new_tokens, no group fits into the
        device's memory, or the slots asked for can't be split evenly.
    """
    hardware = hardware or Hardware()
    room = config.max_length - settings.max_new_tokens
    if room < 1:
        raise UserError(
            f"sample.max_new_tokens = {settings.max_new_tokens} leaves no room for a prompt in the "
            f"model's {config.length_field} of {config.max_length}; take a smaller number"
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
        ring=hardware.platform == "tpu",
        int8=settings.cache_dtype == "int8",
    )
    if not settings.slots:
        geometry = _fill_memory(geometry, config, settings, hardware)
    if geometry.slots % (group * hardware.shards):
        raise UserError(
            f"sample.slots = {geometry.slots} can't be split into groups of {group} on each of "
            f"{hardware.shards} parts of the mesh; take a multiple of {group * hardware.shards}"
        )
    refill = geometry.groups // hardware.shards // _GROUPS_PER_REFILL
    return replace(geometry, refill=max(1, refill))


def _default_group(settings: SampleSettings, shards: int) -> int:
    """At most 8, and so few that every slot draws two samples of a problem or more."""
    group, samples = _LARGEST_GROUP, settings.samples_at_a_time
    while group > 1 and (group * 2 > samples or settings.slots // shards % group):
        group //= 2
    return group


def _buckets(longest: int) -> tuple[int, ...]:
    """64, 128, 256 … and the longest itself; none that is less than half as long again."""
    buckets, bucket = [], _SMALLEST_BUCKET
    while bucket * 1.5 < longest:
        buckets.append(bucket)
        bucket *= 2
    return (*buckets, longest)


def _fill_memory(
    geometry: Geometry, config: LlamaConfig, settings: SampleSettings, hardware: Hardware
) -> Geometry:
    """With the most slots (a power of two on every part) that fit."""
    slots = max(_SLOTS.get(hardware.platform, _SLOTS_ELSEWHERE), geometry.group)
    while slots >= geometry.group:
        filled = replace(geometry, slots=slots * hardware.shards)
        needed = sum(memory_needed(config, settings, filled, hardware).values())
        if needed <= _USABLE * hardware.memory:
            return filled
        slots //= 2
    raise UserError(
        f"{config.num_params:,} parameters and the cache of {geometry.group} samples need "
        f"{needed / 2**30:.1f} GiB, a device has {hardware.memory / 2**30:.1f}; split the model "
        "(mesh.tensor, sample.shard_weights), or take sample.dtype = 'bfloat16'"
    )


def memory_needed(
    config: LlamaConfig, settings: SampleSettings, geometry: Geometry, hardware: Hardware
) -> dict[str, int]:
    """Bytes on one device: of weights, of prompts and responses in the cache, and of logits."""
    slots = geometry.slots // hardware.shards
    heads = -(-config.num_kv_heads // hardware.tensor)
    width = _BYTES[settings.cache_dtype or settings.dtype] * config.head_size
    column = 2 * config.num_layers * heads * (width + (4 if geometry.int8 else 0))
    common = 2 * config.num_layers * heads * config.head_size * _BYTES[settings.dtype]
    prompts = slots // geometry.group * geometry.prompts
    return {
        "weights": config.num_params * _BYTES[settings.dtype] // hardware.weight_parts,
        "prompts": prompts * geometry.buckets[-1] * column + geometry.common * common,
        "responses": slots * geometry.columns * column,
        # Logits, probabilities, masses and two more of their kind, all of four bytes.
        "logits": slots * config.vocab_size * 4 * 5,
    }


def describe_memory(needed: dict[str, int], geometry: Geometry, hardware: Hardware) -> str:
    """The sum in one line."""
    parts = " + ".join(f"{name} {_size(size)}" for name, size in needed.items())
    return (
        f"{geometry.slots} slots in groups of {geometry.group}: {parts} = "
        f"{_size(sum(needed.values()))} of {_size(hardware.memory)} a device"
    )


def _size(number: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if number < 1024:
            return f"{number:,.0f} {unit}" if number >= 100 else f"{number:.3g} {unit}"
        number /= 1024
    return f"{number:.1f} GiB"
