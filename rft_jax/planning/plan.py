"""`rft plan`: memory a chip, FLOPs, roofline and device hours for a model on a slice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rft_jax.devices.mesh_settings import MeshSettings, mesh_sizes
from rft_jax.errors import UserError
from rft_jax.models.config import LlamaConfig
from rft_jax.planning.advice import USABLE, advise
from rft_jax.planning.closed_form import (
    Cost,
    decode_bytes,
    decode_cost,
    decode_tensor,
    state_bytes,
    temporary_bytes,
    train_cost,
)
from rft_jax.planning.hours import Stage, stages
from rft_jax.planning.settings import PlanSettings
from rft_jax.planning.topologies import Topology, parse_topology
from rft_jax.sampling.geometry import choose_geometry
from rft_jax.sampling.settings import SampleSettings
from rft_jax.training.settings import TrainSettings

if TYPE_CHECKING:
    from rft_jax.planning.aot import Compiled

_GB = 1e9


@dataclass(frozen=True)
class Planned:
    """Everything that is planned for, checked against each other.

    Attributes:
      mesh: sizes of the training mesh.
      tensor: chips of one copy of the model in sampling.
      slots: samples drawn at a time by one copy.
      group: of them, those that share a prompt.
      decode_state: bytes of one copy's weights and cache.
    """

    topology: Topology
    config: LlamaConfig
    train: TrainSettings
    sample: SampleSettings
    data: PlanSettings
    mesh_settings: MeshSettings
    mesh: dict[str, int]
    tensor: int
    slots: int
    group: int
    decode_state: float


def plan(
    topology: str,
    config: LlamaConfig,
    train: TrainSettings,
    sample: SampleSettings,
    data: PlanSettings,
    mesh: MeshSettings,
) -> str:
    """The plan as text.

    Args:
      topology: a slice (`v5e:4x4`), a product (`v5e-16`) or GPUs (`h100:8`).
      config: the model's shape.
      train: how it is trained.
      sample: how it is sampled from.
      data: what it is trained on and expected of it.
      mesh: sizes of the training mesh.

    Raises:
      UserError: the slice is not known, the mesh or the batch does not fit it, libtpu is missing.
    """
    planned = _check(parse_topology(topology), config, train, sample, data, mesh)
    train_compiled, decode_compiled = _compile(planned)
    lines = [*_heading(planned), "", *_train_lines(planned, train_compiled)]
    lines += ["", *_decode_lines(planned, decode_compiled), "", *_hour_lines(planned)]
    return "\n".join(lines)


def _check(
    topology: Topology,
    config: LlamaConfig,
    train: TrainSettings,
    sample: SampleSettings,
    data: PlanSettings,
    mesh: MeshSettings,
) -> Planned:
    sizes = mesh_sizes(mesh, topology.num_chips)
    shards = sizes["data"] * sizes["fsdp"]
    if train.batch_size % shards:
        more = -(-train.batch_size // shards) * shards
        raise UserError(
            f"train.batch_size {train.batch_size} is not divisible by mesh data × fsdp = {shards}: "
            f"set it to {more}, or give chips to mesh.tensor"
        )
    geometry = choose_geometry(config, sample)
    state = decode_bytes(config, geometry)
    tensor = data.sample_tensor or decode_tensor(state, topology.chip, topology.num_chips)
    if topology.num_chips % tensor:
        raise UserError(
            f"plan.sample_tensor {tensor} does not divide the {topology.num_chips} chips of "
            f"{topology.name}"
        )
    return Planned(
        topology,
        config,
        train,
        sample,
        data,
        mesh,
        sizes,
        tensor,
        geometry.slots,
        geometry.group,
        state,
    )


def _compile(planned: Planned) -> tuple[Compiled | None, Compiled | None]:
    if not (planned.data.compile and planned.topology.is_tpu):
        return None, None
    from rft_jax.planning import aot

    devices = aot.tpu_devices(planned.topology)
    print(f"plan: compiling the train step for {planned.topology.name}", flush=True)
    train = aot.compile_train_step(planned.config, planned.train, planned.mesh_settings, devices)
    print(f"plan: compiling the decode step for {planned.topology.name}", flush=True)
    return train, aot.compile_decode_step(planned.config, planned.sample, planned.tensor, devices)


def _heading(planned: Planned) -> list[str]:
    chip, topology = planned.topology.chip, planned.topology
    return [
        f"{topology.name}: {topology.num_chips} chips, each {chip.hbm / _GB:.0f} GB, "
        f"{chip.peak / 1e12:.0f} TFLOP/s in bf16, {chip.bandwidth / _GB:,.0f} GB/s",
        f"model: {planned.config.num_params:,} parameters",
    ]


def _train_lines(planned: Planned, compiled: Compiled | None) -> list[str]:
    config, train, sizes = planned.config, planned.train, planned.mesh
    state = state_bytes(config, train, sizes)
    added = temporary_bytes(config, train, sizes)
    needed = compiled.needed if compiled else state + added
    room = planned.topology.chip.hbm
    fits = compiled.fits if compiled else needed <= USABLE * room
    mesh = " × ".join(f"{name} {size}" for name, size in sizes.items())
    lines = [
        f"train step: {train.batch_size} × {train.max_length} tokens, {train.dtype}, remat "
        f"{train.remat!r}, mesh {mesh}",
        f"  by formula   {state / _GB:.2f} GB of state, about {added / _GB:.1f} GB beside it",
        *_compiled_lines(compiled),
        f"  memory       {needed / _GB:.1f} of {room / _GB:.1f} GB a chip: "
        + ("fits" if fits else "DOES NOT FIT"),
    ]
    if not fits:
        measured = compiled.needed if compiled else None
        changes = advise(config, train, planned.mesh_settings, planned.topology, measured)
        lines += [f"    change: {change}" for change in changes]
    return lines + _cost_lines(train_cost(config, train, sizes), planned, "step")


def _compiled_lines(compiled: Compiled | None) -> list[str]:
    if compiled is None or not compiled.fits:
        return []
    found = ", ".join(f"{n} {kind}" for kind, n in compiled.collectives.items())
    return [
        f"  compiled     {compiled.state / _GB:.2f} GB go in, {compiled.temporary / _GB:.1f} GB "
        f"temporary, {compiled.code / _GB:.2f} GB of code",
        f"  collectives  {found or 'none'} in the program's text",
    ]


def _cost_lines(cost: Cost, planned: Planned, unit: str) -> list[str]:
    chip = planned.topology.chip
    return [
        f"  a chip       {cost.flops / 1e12:,.1f} TFLOP ({cost.useful_flops / cost.flops:.0%} not "
        f"computed twice), {cost.bytes_moved / _GB:,.1f} GB moved, "
        f"{cost.bytes_sent / _GB:,.1f} GB sent",
        f"  roofline     {cost.seconds(chip) * 1e3:,.1f} ms a {unit}, bound by "
        f"{cost.limit(chip)}; MFU at most {cost.mfu_bound(chip):.0%}",
    ]


def _decode_lines(planned: Planned, compiled: Compiled | None) -> list[str]:
    config, data = planned.config, planned.data
    chip = planned.topology.chip
    context = data.response_tokens / 2
    cost = decode_cost(
        config, planned.slots, planned.group, data.prompt_tokens, context, planned.tensor
    )
    state = planned.decode_state
    needed = compiled.needed if compiled else state / planned.tensor
    fits = compiled.fits if compiled else needed <= USABLE * chip.hbm
    copies = planned.topology.num_chips // planned.tensor
    speed = planned.slots * copies / cost.seconds(chip)
    return [
        f"decode step: {copies} copies of the model on {planned.tensor} chips each, "
        f"{planned.slots} samples at a time in groups of {planned.group}",
        f"  by formula   {state / planned.tensor / _GB:.2f} GB of weights and cache, bfloat16",
        *_compiled_lines(compiled),
        f"  memory       {needed / _GB:.1f} of {chip.hbm / _GB:.1f} GB a chip: "
        + ("fits" if fits else "DOES NOT FIT"),
        *([] if fits else ["    change: fewer sample.slots, or a larger plan.sample_tensor"]),
        *_cost_lines(cost, planned, "step"),
        f"  speed        at most {speed:,.0f} tokens/s on the whole slice",
    ]


def _hour_lines(planned: Planned) -> list[str]:
    data, topology = planned.data, planned.topology
    rows = stages(
        planned.config,
        planned.train,
        data,
        topology.chip,
        k=planned.sample.num_samples,
        slots=planned.slots,
        group=planned.group,
        tensor=planned.tensor,
    )
    lines = [
        f"data: {data.num_problems:,} problems, {planned.sample.num_samples} samples each, "
        f"{data.paths_per_problem:g} paths each in RFT; MFU {data.train_efficiency:.0%} in "
        f"training, {data.sample_efficiency:.0%} of the roofline in sampling",
        f"  {'':<8}{'steps':>9}{'tokens':>11}{'FLOPs':>11}{'paper counts':>14}"
        f"{'chip hours':>12}{'hours here':>12}",
    ]
    return lines + [_hour_row(row, topology.num_chips) for row in rows]


def _hour_row(row: Stage, chips: int) -> str:
    steps = f"{row.steps:,}" if row.steps else ""
    return (
        f"  {row.name:<8}{steps:>9}{row.tokens:>11.2e}{row.flops:>11.2e}{row.paper_flops:>14.2e}"
        f"{row.chip_hours:>12,.2f}{row.chip_hours / chips:>12,.3g}"
    )
