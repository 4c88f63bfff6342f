"""A whole `rft run` on a slice: its conditions, its votes, and the disk that it needs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from rft_jax.devices.chips import Chip, size_text
from rft_jax.models.config import LlamaConfig
from rft_jax.models.shapes import ITEM_BYTES, adapter_shapes, num_params
from rft_jax.planning.decoding import DecodePlan
from rft_jax.planning.hours import SECONDS, StageCost
from rft_jax.planning.settings import PlanSettings
from rft_jax.training.memory import state_bytes
from rft_jax.training.settings import TrainSettings

# What the conditions of the main experiment are trained by, of `hours.stage_costs`.
_TRAINED_BY = {
    "rho": (),
    "sft": ("sft",),
    "sft_steps": ("rft",),
    "rft": ("rft",),
    "rft_oracle": ("rft",),
    "rft_no_dedup": ("rft_no_dedup",),
}
_ONE_DEVICE = {"data": 1, "fsdp": 1, "tensor": 1}
# Of a samples file, per token: its text, and its id in the list of tokens.
_SAMPLE_BYTES = 4 + 7


@dataclass(frozen=True)
class Loop:
    """What a run does.

    Attributes:
      conditions: that are trained and measured.
      voting: conditions that are also measured by several samples per test problem.
      votes: these samples.
      samples: per training problem.
      seeds: number of seeds.
    """

    conditions: tuple[str, ...]
    voting: tuple[str, ...]
    votes: int
    samples: int
    seeds: int

    @property
    def stages(self) -> Counter[str]:
        """The costly stages, by their names in `hours.stage_costs`, and how often each is done."""
        stages = Counter(
            stage for name in self.conditions for stage in _TRAINED_BY.get(name, ("rft",))
        )
        if any(name.startswith("rft") for name in self.conditions):
            stages["sample"] = 1
            stages["sft"] = max(1, stages["sft"])
        return Counter({name: number * self.seeds for name, number in stages.items()})


def loop_lines(
    loop: Loop,
    config: LlamaConfig,
    train: TrainSettings,
    data: PlanSettings,
    decoding: DecodePlan,
    chip: Chip,
    costs: Mapping[str, StageCost],
) -> list[str]:
    """The plan of a run as lines.

    Args:
      costs: of the stages, by name.
    """
    hours = {name: n * costs[name].chip_hours for name, n in loop.stages.items()}
    texts = data.num_test_problems * loop.seeds * data.response_tokens
    rate = decoding.tokens_per_second(chip) * data.sample_efficiency / decoding.num_chips
    hours["greedy"] = texts * len(loop.conditions) / rate / SECONDS
    votes = ""
    if loop.voting:
        hours["votes"] = texts * len(loop.voting) * loop.votes / rate / SECONDS
        votes = f"; votes of {loop.votes} samples on {', '.join(loop.voting)}"
    total = sum(hours.values())
    lines = [
        f"run: {', '.join(loop.conditions)}{votes}; seeds {loop.seeds}; "
        f"{data.num_test_problems:,} test problems"
    ]
    for name, value in hours.items():
        times = f"{loop.stages[name]} × {name}" if name in loop.stages else name
        lines.append(f"  {times:<20}{value:>10,.2f} chip hours{value / total:>6.0%}")
    chips = decoding.num_chips
    lines.append(f"  {'total':<20}{total:>10,.2f} chip hours, {total / chips:,.3g} hours here")
    return [*lines, _disk_line(loop, config, train, data)]


def _disk_line(loop: Loop, config: LlamaConfig, train: TrainSettings, data: PlanSettings) -> str:
    trainings = sum(number for name, number in loop.stages.items() if name != "sample")
    model = num_params(config) * ITEM_BYTES[train.stored_dtype]
    state = state_bytes(config, train, _ONE_DEVICE)
    kept = train.keep_checkpoints * (state if train.keep_optimizer_state else 4 * _trained(config))
    running = (train.keep_checkpoints + 1) * state  # the next one is written before one is removed
    votes = data.num_test_problems * loop.votes * len(loop.voting) * loop.seeds
    samples = data.num_problems * loop.samples * loop.stages["sample"] + votes
    text = samples * data.response_tokens * _SAMPLE_BYTES
    return (
        f"  disk: {trainings} models of {size_text(model)}, each with checkpoints of "
        f"{size_text(kept)}; {size_text(running)} more while one is trained; samples of "
        f"{size_text(text)}: {size_text(trainings * (model + kept) + running + text)}"
    )


def _trained(config: LlamaConfig) -> int:
    """Parameters that are trained: all of them, or the adapters."""
    if config.lora is None:
        return num_params(config)
    return sum(map(math.prod, adapter_shapes(config).values()))
