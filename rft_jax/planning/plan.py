"""`rft plan`: memory per chip, FLOPs, roofline and device hours for a model on a slice."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rft_jax.devices.chips import USABLE, available_memory, size_text
from rft_jax.devices.mesh_settings import MeshSettings, check_batch, mesh_sizes
from rft_jax.models.config import LlamaConfig
from rft_jax.models.shapes import num_params
from rft_jax.planning.advice import advise
from rft_jax.planning.closed_form import StepCost, temporary_bytes, train_cost
from rft_jax.planning.decoding import DecodePlan, plan_decoding
from rft_jax.planning.hours import StageCost, stage_costs, training_cost
from rft_jax.planning.loop import Loop, loop_lines
from rft_jax.planning.settings import PlanSettings
from rft_jax.planning.topologies import Topology, parse_topology
from rft_jax.progress import quantity
from rft_jax.sampling.settings import SampleSettings
from rft_jax.training import recipe
from rft_jax.training.memory import state_bytes
from rft_jax.training.settings import TrainSettings

if TYPE_CHECKING:
    from rft_jax.planning.aot import Compiled


@dataclass(frozen=True)
class PlanInputs:
    """Everything that is planned for, checked against each other.

    Attributes:
      topology: the slice or GPUs.
      config: the model.
      train: settings of training.
      sample: settings of sampling.
      data: the data set and the expected efficiencies.
      mesh_settings: the training mesh as set.
      mesh: its size by axis.
      decoding: the decode step.
    """

    topology: Topology
    config: LlamaConfig
    train: TrainSettings
    sample: SampleSettings
    data: PlanSettings
    mesh_settings: MeshSettings
    mesh: dict[str, int]
    decoding: DecodePlan


def plan(
    topology: str,
    config: LlamaConfig,
    train: TrainSettings,
    sample: SampleSettings,
    data: PlanSettings,
    mesh: MeshSettings,
    loop: Loop | None = None,
) -> str:
    """The plan as text.

    Args:
      topology: a slice (`v5e:4x4`), a product (`v5e-16`) or GPUs (`h100:8`).
      config: the model's shape.
      train: settings of training.
      sample: settings of sampling.
      data: the data set and the expected efficiencies.
      mesh: sizes of the training mesh.
      loop: the run that is planned as a whole; None for none.

    Raises:
      UserError: an unknown slice, a mesh or batch that does not fit it, rows that are longer than
        the model's, or libtpu is missing.
    """
    config.check_length(train.max_length)
    slice_ = parse_topology(topology)
    sizes = mesh_sizes(mesh, slice_.num_chips)
    unit = sizes["data"] * sizes["fsdp"] * train.gradient_accumulation
    columns = data.prompt_tokens + data.response_tokens
    train = recipe.complete(train, config, data.num_problems, columns, unit)
    check_batch(train.batch_size, sizes)
    decoding = plan_decoding(config, sample, data, slice_)  # adapters are merged
    config = replace(config, lora=train.lora or config.lora)
    inputs = PlanInputs(slice_, config, train, sample, data, mesh, sizes, decoding)
    train_compiled, decode_compiled = _compile(inputs)
    lines = [*_heading(inputs), "", *_train_lines(inputs, train_compiled)]
    lines += ["", *_decode_lines(inputs, decode_compiled), "", *_hour_lines(inputs)]
    if loop:
        lines += ["", *_loop_lines(inputs, loop)]
    return "\n".join(lines)


def _compile(inputs: PlanInputs) -> tuple[Compiled | None, Compiled | None]:
    """The train step and the decode step; None without a compiler for the topology."""
    if not (inputs.data.compile and inputs.topology.is_tpu):
        return None, None
    from rft_jax.planning import aot

    devices = aot.tpu_devices(inputs.topology)
    print(f"plan: compiling the train step for {inputs.topology.name}", flush=True)
    train = aot.compile_train_step(inputs.config, inputs.train, inputs.mesh_settings, devices)
    print(f"plan: compiling the decode step for {inputs.topology.name}", flush=True)
    decoding = inputs.decoding
    return train, aot.compile_decode_step(
        replace(inputs.config, lora=None),
        inputs.sample,
        decoding.geometry,
        decoding.hardware.tensor,
        devices,
    )


def _heading(inputs: PlanInputs) -> list[str]:
    chip, topology = inputs.topology.chip, inputs.topology
    memory = f"{size_text(chip.hbm)} of memory"
    if available_memory(chip) < chip.hbm:
        share = available_memory(chip) / chip.hbm
        memory += f" ({share:.0%} of it for JAX, by XLA_PYTHON_CLIENT_MEM_FRACTION)"
    return [
        f"{topology.name}: {quantity(topology.num_chips, 'chip')}, each with {memory}, "
        f"{chip.peak / 1e12:.0f} TFLOP/s in bf16, {chip.bandwidth / 1e9:,.0f} GB/s",
        f"model: {num_params(inputs.config):,} parameters",
    ]


def _train_lines(inputs: PlanInputs, compiled: Compiled | None) -> list[str]:
    config, train, sizes = inputs.config, inputs.train, inputs.mesh
    state = state_bytes(config, train, sizes)
    added = temporary_bytes(config, train, sizes)
    needed, fits = _verdict(inputs, state + added, compiled)
    mesh = " × ".join(f"{name} {size}" for name, size in sizes.items())
    lora = f", LoRA of rank {config.lora.rank}" if config.lora else ""
    lines = [
        f"train step: {train.batch_size} × {train.max_length} tokens, {train.dtype}, remat "
        f"{train.remat!r}, mesh {mesh}{lora}",
        f"  by formula   state {size_text(state)} + temporaries about {size_text(added)}",
        *_compiled_lines(compiled),
        _memory_line(inputs, needed, fits),
    ]
    if not fits:
        measured = compiled.needed if compiled else None
        changes = advise(config, train, inputs.mesh_settings, inputs.topology, measured)
        lines += [f"    change: {change}" for change in changes]
    return lines + _cost_lines(train_cost(config, train, sizes), inputs)


def _verdict(
    inputs: PlanInputs, by_formula: float, compiled: Compiled | None
) -> tuple[float, bool]:
    """Bytes that a step needs on a chip, and whether it fits: by the compiler, or the formula."""
    if compiled:
        return compiled.needed, compiled.fits
    return by_formula, by_formula <= USABLE * available_memory(inputs.topology.chip)


def _memory_line(inputs: PlanInputs, needed: float, fits: bool) -> str:
    available = size_text(available_memory(inputs.topology.chip))
    return f"  memory       {size_text(needed)} of {available} per chip: " + (
        "fits" if fits else "DOES NOT FIT"
    )


def _compiled_lines(compiled: Compiled | None) -> list[str]:
    if compiled is None or not compiled.fits:
        return []
    return [
        f"  compiled     arguments {size_text(compiled.state)} + temporaries "
        f"{size_text(compiled.temporary)} + code {size_text(compiled.code)}"
    ]


def _cost_lines(cost: StepCost, inputs: PlanInputs) -> list[str]:
    chip = inputs.topology.chip
    recomputed = 1 - cost.useful_flops / cost.flops
    share = f"{recomputed:.0%} recomputed" if recomputed else "no rematerialisation"
    return [
        f"  per chip     {cost.flops / 1e12:,.1f} TFLOP ({share}), "
        f"{size_text(cost.bytes_moved)} moved, {size_text(cost.bytes_sent)} sent",
        f"  roofline     {cost.seconds(chip) * 1e3:,.1f} ms per step, bound by "
        f"{cost.limit(chip)}; MFU at most {cost.mfu_bound(chip):.0%}",
    ]


def _decode_lines(inputs: PlanInputs, compiled: Compiled | None) -> list[str]:
    decoding, sample = inputs.decoding, inputs.sample
    hardware, geometry, chip = decoding.hardware, decoding.geometry, inputs.topology.chip
    needed, fits = _verdict(inputs, decoding.needed, compiled)
    terms = " + ".join(f"{name} {size_text(size)}" for name, size in decoding.memory.items())
    return [
        f"decode step: {hardware.shards} copies of the model (mesh.tensor = {hardware.tensor}), "
        f"{geometry.slots // hardware.shards} slots each in groups of {geometry.group}, "
        f"{sample.dtype}, cache {sample.cache_dtype or sample.dtype}",
        f"  by formula   {terms}",
        *_compiled_lines(compiled),
        _memory_line(inputs, needed, fits),
        *([] if fits else ["    change: fewer sample.slots, or a larger plan.sample_tensor"]),
        *_cost_lines(decoding.cost, inputs),
        f"  speed        at most {decoding.tokens_per_second(chip):,.0f} tokens/s on all chips",
    ]


def _costs(inputs: PlanInputs) -> dict[str, StageCost]:
    chip, k = inputs.topology.chip, inputs.sample.num_samples
    rows = stage_costs(
        inputs.config, inputs.train, inputs.data, chip, k=k, decoding=inputs.decoding
    )
    every = 1 + k * inputs.data.correct_share
    name = "rft_no_dedup"
    rows.append(training_cost(name, every, inputs.config, inputs.train, inputs.data, chip))
    return {row.name: row for row in rows}


def _loop_lines(inputs: PlanInputs, loop: Loop) -> list[str]:
    chip, costs = inputs.topology.chip, _costs(inputs)
    return loop_lines(loop, inputs.config, inputs.train, inputs.data, inputs.decoding, chip, costs)


def _hour_lines(inputs: PlanInputs) -> list[str]:
    data, topology, k = inputs.data, inputs.topology, inputs.sample.num_samples
    costs = _costs(inputs)
    rows = [costs[name] for name in ("sft", "sample", "rft")]
    lines = [
        f"data: {data.num_problems:,} problems, {k} samples each, {data.paths_per_problem:g} paths "
        f"each in RFT; MFU {data.train_efficiency:.0%} in training, {data.sample_efficiency:.0%} "
        "of the roofline in sampling",
        f"  {'':<8}{'steps':>9}{'tokens':>11}{'FLOPs':>11}{'paper FLOPs':>14}"
        f"{'chip hours':>12}{'hours here':>12}",
    ]
    return lines + [_hour_row(row, topology.num_chips) for row in rows]


def _hour_row(row: StageCost, chips: int) -> str:
    steps = f"{row.steps:,}" if row.steps else ""
    return (
        f"  {row.name:<8}{steps:>9}{row.tokens:>11.2e}{row.flops:>11.2e}{row.paper_flops:>14.2e}"
        f"{row.chip_hours:>12,.2f}{row.chip_hours / chips:>12,.3g}"
    )
