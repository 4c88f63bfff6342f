"""The sampler's geometry: how many slots, in which groups, with room for how much.

It is chosen from the model, the device and the settings, never from the problems at hand, and is
written into `run.json`: at one geometry samples are the same bit for bit.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from rft_jax.errors import UserError
from rft_jax.models.config import LlamaConfig
from rft_jax.sampling.settings import SampleSettings

_SMALLEST_BUCKET = 64
_LARGEST_TASK = 128
_GROUPS_PER_REFILL = 16


@dataclass(frozen=True)
class Geometry:
    """Sizes of the decoding state.

    Attributes:
      slots: samples drawn at a time.
      group: slots that draw for the same problems and share their prompts.
      prompts: problems that a group holds at a time.
      refill: problems that are exchanged, and prompts that are prefilled, together.
      chunk: most steps of one call.
      columns: most tokens of a response.
      task: most samples that a group draws of a problem between two exchanges.
      buckets: lengths that prompts (less their last token) are padded to.
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
    ring: bool = False
    int8: bool = False

    @property
    def groups(self) -> int:
        """Problems worked at at a time."""
        return self.slots // self.group

    @property
    def max_prompt_length(self) -> int:
        """The longest prompt, in tokens."""
        return self.buckets[-1] + 1

    def bucket_of(self, prompt_length: int) -> int:
        """The bucket for a prompt of that many tokens, its last one included."""
        return next(bucket for bucket in self.buckets if prompt_length - 1 <= bucket)

    @staticmethod
    def from_json(row: dict[str, Any]) -> Geometry:
        """What `asdict` wrote into `run.json`."""
        return Geometry(**row | {"buckets": tuple(row["buckets"])})

    def to_json(self) -> dict[str, Any]:
        """For `run.json`."""
        return asdict(self)


def choose_geometry(config: LlamaConfig, settings: SampleSettings) -> Geometry:
    """The geometry for a model and settings.

    Raises:
      UserError: the model has no room for a prompt beside max_new_tokens.
    """
    room = config.max_length - settings.max_new_tokens
    if room < 1:
        raise UserError(
            f"sample.max_new_tokens = {settings.max_new_tokens} leaves no room for a prompt in the "
            f"model's {config.max_length} positions; take a smaller number"
        )
    group = settings.group or _default_group(settings)
    slots = settings.slots or 128
    group = min(group, slots)
    return Geometry(
        slots=slots - slots % group,
        group=group,
        prompts=1 if group == 1 else 2,
        refill=max(1, slots // group // _GROUPS_PER_REFILL),
        chunk=settings.chunk,
        columns=settings.max_new_tokens,
        task=min(settings.num_samples, _LARGEST_TASK),
        buckets=_buckets(min(settings.max_prompt_length, room) - 1),
    )


def _default_group(settings: SampleSettings) -> int:
    """Samples of a problem a slot draws one after the other keep its group busy to the end."""
    if settings.slots:
        return next(size for size in (8, 4, 2, 1) if settings.slots % size == 0)
    return next(size for size in (8, 4, 2, 1) if 4 * size <= settings.num_samples or size == 1)


def _buckets(longest: int) -> tuple[int, ...]:
    """64, 128, 256 … and at last the longest itself."""
    buckets, bucket = [], _SMALLEST_BUCKET
    while bucket < longest:
        buckets.append(bucket)
        bucket *= 2
    return (*buckets, longest)
