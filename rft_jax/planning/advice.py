"""What to change when a train step does not fit, tried by formula in the order of what it costs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from rft_jax.devices.mesh_settings import MeshSettings, mesh_sizes
from rft_jax.models.config import LlamaConfig
from rft_jax.planning.closed_form import state_bytes, temporary_bytes
from rft_jax.planning.topologies import Topology
from rft_jax.training.settings import TrainSettings

USABLE = 0.95  # of a chip's memory: the rest is the runtime's and lost between buffers


def train_bytes(config: LlamaConfig, settings: TrainSettings, mesh: dict[str, int]) -> float:
    """State and about what a step adds to it, on one chip."""
    return state_bytes(config, settings, mesh) + temporary_bytes(config, settings, mesh)


def advise(
    config: LlamaConfig,
    settings: TrainSettings,
    mesh: MeshSettings,
    topology: Topology,
    needed: float | None = None,
) -> list[str]:
    """Changes, one after the other, after the last of which the step should fit.

    Args:
      needed: bytes a chip that the compiler found, which scale the formula's; None without it.
    """
    sizes = mesh_sizes(mesh, topology.num_chips)
    room = USABLE * topology.chip.hbm
    state = state_bytes(config, settings, sizes)
    estimated = temporary_bytes(config, settings, sizes)
    scale = max(1.0, (needed - state) / estimated) if needed else 1.0

    def fits() -> bool:
        added = scale * temporary_bytes(config, settings, sizes)
        return state_bytes(config, settings, sizes) + added <= room

    taken: dict[str, str] = {}
    for name, value, why in _changes(settings, mesh, topology):
        if fits():
            return list(taken.values())
        if name.startswith("mesh."):
            sizes = mesh_sizes(MeshSettings(tensor=mesh.tensor), topology.num_chips)
        else:
            settings = replace(settings, **{name.removeprefix("train."): value})
        taken[name] = f"{name} = {value!r}: {why}"  # a later value takes an earlier one's place
    if fits():
        return list(taken.values())
    chips = _fewest_chips(config, settings, room, topology.num_chips)
    return [f"take a larger slice, with about {chips} chips of {topology.chip.name}"]


def _changes(
    settings: TrainSettings, mesh: MeshSettings, topology: Topology
) -> Iterator[tuple[str, Any, str]]:
    """Settings, new values and reasons; first what costs no time."""
    if mesh.data != 1:
        yield "mesh.data", 1, "parameters and moments split over all chips (mesh.fsdp = -1)"
    if settings.loss_chunk == 0 and settings.max_length % 4 == 0:
        yield "train.loss_chunk", settings.max_length // 4, "a quarter of the logits at a time"
    if settings.dtype == "float32":
        yield "train.dtype", "bfloat16", "activations of half the size"
    if settings.remat == "none":
        yield "train.remat", "save_attention", "activations computed again, a third more FLOPs"
    parts = 2 * settings.gradient_accumulation
    shards = topology.num_chips // max(mesh.tensor, 1)
    while settings.batch_size % (parts * shards) == 0:  # every part still has rows for all
        yield "train.gradient_accumulation", parts, "the batch computed in parts"
        parts *= 2
    if settings.remat != "full":
        yield "train.remat", "full", "nothing kept but each block's input"
    if settings.moment_dtype == "float32":
        yield "train.moment_dtype", "bfloat16", "AdamW's first moment in half the bytes"


def _fewest_chips(config: LlamaConfig, settings: TrainSettings, room: float, chips: int) -> int:
    """Doubled until it fits, everything split over all of them."""
    while chips < 2**16:
        sizes = {"data": 1, "fsdp": chips, "tensor": 1}
        if train_bytes(config, settings, sizes) <= room:
            break
        chips *= 2
    return chips
