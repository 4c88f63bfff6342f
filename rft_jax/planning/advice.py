"""Settings to change when a train step does not fit, cheapest first, by formula."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from rft_jax.devices.chips import USABLE, available_memory, size_text
from rft_jax.devices.mesh_settings import MeshSettings, mesh_sizes
from rft_jax.models.config import LlamaConfig
from rft_jax.planning.closed_form import temporary_bytes
from rft_jax.planning.topologies import Topology
from rft_jax.training.memory import state_bytes
from rft_jax.training.settings import TrainSettings

LORA_RANK = 16
"""The rank of the adapters that are suggested."""


def train_bytes(config: LlamaConfig, settings: TrainSettings, mesh: dict[str, int]) -> float:
    """Bytes on one chip: the state, and an estimate of a step's temporaries."""
    return state_bytes(config, settings, mesh) + temporary_bytes(config, settings, mesh)


def advise(
    config: LlamaConfig,
    settings: TrainSettings,
    mesh: MeshSettings,
    topology: Topology,
    needed: float | None = None,
) -> list[str]:
    """Changes to make one after the other; after the last one the step should fit.

    Where no change makes full training fit: LoRA with the changes that it needs, and a larger slice
    for full training; without LoRA where that does not fit either.

    Args:
      config: the model.
      settings: of training, which do not fit.
      mesh: of training.
      topology: the slice.
      needed: bytes per chip by the compiler, to scale the estimate with; None without one.
    """
    sizes = mesh_sizes(mesh, topology.num_chips)
    state = state_bytes(config, settings, sizes)
    estimated = temporary_bytes(config, settings, sizes)
    scale = max(1.0, (needed - state) / estimated) if needed else 1.0
    changes, bytes_then = _applied(config, settings, mesh, topology, scale)
    usable = USABLE * available_memory(topology.chip)
    if bytes_then <= usable:
        return changes
    chips = _fewest_chips(config, settings, usable, topology.num_chips)
    larger = f"a larger slice, with about {chips} chips of {topology.chip.name} for these settings"
    if config.lora is None:
        adapted = replace(settings, lora_rank=LORA_RANK)
        with_lora = replace(config, lora=adapted.lora)
        changes, bytes_then = _applied(with_lora, adapted, mesh, topology, scale)
        if bytes_then <= usable:
            others = " with what follows" if changes else ""
            why = f"adapters trained alone; {size_text(bytes_then)} per chip{others}"
            lora = f"train.lora_rank = {LORA_RANK}: {why}"
            return [lora, *changes, f"instead, to train all parameters: {larger}"]
    return [f"use {larger}"]


def _applied(
    config: LlamaConfig,
    settings: TrainSettings,
    mesh: MeshSettings,
    topology: Topology,
    scale: float,
) -> tuple[list[str], float]:
    """The changes up to the first with which a step fits, else all; bytes per chip after them.

    Args:
      scale: what the estimate of temporaries is multiplied by.
    """
    sizes = mesh_sizes(mesh, topology.num_chips)
    usable = USABLE * available_memory(topology.chip)

    def needed() -> float:
        added = scale * temporary_bytes(config, settings, sizes)
        return state_bytes(config, settings, sizes) + added

    taken: dict[str, str] = {}
    for name, value, why in _changes(settings, mesh, topology):
        if needed() <= usable:
            break
        if name.startswith("mesh."):
            sizes = mesh_sizes(MeshSettings(tensor=mesh.tensor), topology.num_chips)
        else:
            settings = replace(settings, **{name.removeprefix("train."): value})
        taken[name] = f"{name} = {value!r}: {why}"  # a later value replaces an earlier one
    return list(taken.values()), needed()


def _changes(
    settings: TrainSettings, mesh: MeshSettings, topology: Topology
) -> Iterator[tuple[str, Any, str]]:
    """Settings, new values and reasons; first those that cost no time."""
    if mesh.data != 1:
        yield "mesh.data", 1, "parameters and moments sharded over all chips (mesh.fsdp = -1)"
    if settings.loss_chunk == 0 and settings.max_length % 4 == 0:
        yield "train.loss_chunk", settings.max_length // 4, "a quarter of the logits at a time"
    if settings.dtype == "float32":
        yield "train.dtype", "bfloat16", "activations of half the size"
    if settings.remat == "none":
        yield "train.remat", "save_attention", "activations recomputed, about a quarter more FLOPs"
    steps = 2 * settings.gradient_accumulation
    shards = topology.num_chips // max(mesh.tensor, 1)
    while settings.batch_size % (steps * shards) == 0:  # every shard has rows in each microbatch
        yield "train.gradient_accumulation", steps, "the batch computed in microbatches"
        steps *= 2
    if settings.remat != "full":
        yield "train.remat", "full", "only each block's input kept for the backward pass"
    if settings.moment_dtype == "float32":
        yield "train.moment_dtype", "bfloat16", "AdamW's first moment in half the bytes"


def _fewest_chips(config: LlamaConfig, settings: TrainSettings, usable: float, chips: int) -> int:
    """Chips with which the step fits, doubled from `chips`, everything sharded over all of them."""
    while chips < 2**16:
        sizes = {"data": 1, "fsdp": chips, "tensor": 1}
        if train_bytes(config, settings, sizes) <= usable:
            break
        chips *= 2
    return chips
