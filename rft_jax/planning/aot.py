"""Ahead-of-time compilation of the train step and the decode step for a TPU slice, by libtpu.

Only shapes go in: no weights are created and nothing runs, so a CPU machine compiles for a pod.
"""

from __future__ import annotations

import importlib.util
import os
import re
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from rft_jax.devices.mesh_settings import MeshSettings
from rft_jax.devices.partitioning import (
    batch_sharding,
    make_mesh,
    param_shardings,
    with_shardings,
)
from rft_jax.errors import UserError
from rft_jax.installation import how_to_install
from rft_jax.models.config import LlamaConfig
from rft_jax.models.llama import init_adapters, init_params, unstack_layers
from rft_jax.planning.topologies import Topology
from rft_jax.sampling.decode import decode_chunk
from rft_jax.sampling.geometry import Geometry
from rft_jax.sampling.methods import method_of
from rft_jax.sampling.placement import decoding_shardings
from rft_jax.sampling.program import Program, decoding_config
from rft_jax.sampling.settings import SampleSettings
from rft_jax.sampling.state import abstract_state
from rft_jax.training.settings import COMPUTED, TrainSettings
from rft_jax.training.train_step import init_train_state, state_shardings, train_step

# Libtpu looks for a TPU machine, warns that there is none, and locks its chips for one process.
_WITHOUT_TPU = {
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
    "TPU_STDERR_LOG_LEVEL": "3",
    "TPU_MIN_LOG_LEVEL": "3",
}
# The size in either of libtpu's two out-of-memory messages.
_TOO_LARGE = r"(?:Used |HLO temporaries \()([0-9.]+)([KMGT])"
_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


@dataclass(frozen=True)
class Compiled:
    """The compiler's memory analysis of a step, on one chip.

    Attributes:
      state: bytes of the arguments: parameters, moments, caches.
      temporary: bytes of temporary buffers and of results that reuse no argument.
      code: bytes of the program.
      needed: bytes in all; of a program that does not fit, the size in the compiler's refusal.
      fits: whether the compiler accepted it.
      program: its HLO text; empty where it does not fit.
    """

    state: int
    temporary: int
    code: int
    needed: int
    fits: bool
    program: str = ""


def tpu_devices(topology: Topology) -> list[Any]:
    """Devices of a slice to compile for, which need not exist.

    Raises:
      UserError: libtpu is not installed, or it does not know the slice.
    """
    if importlib.util.find_spec("libtpu") is None:
        raise UserError(
            f"compiling for a TPU needs libtpu, which is not installed: {how_to_install('tpu')}; "
            "or use the formulas alone: --gin.plan.compile=False"
        )
    for name, value in _WITHOUT_TPU.items():
        os.environ.setdefault(name, value)
    from jax.experimental import topologies

    options: dict[str, Any] = {}
    if topology.num_chips < 4:  # fewer than the default of two by two per host
        options["chips_per_host_bounds"] = (*topology.shape, 1, 1)[:3]
    if topology.chip.name == "v4":  # both cores as one device, as Cloud TPU runs them
        options["chip_config_name"] = "megacore"
    try:
        slice_ = topologies.get_topology_desc(
            platform="tpu", topology_name=topology.name, **options
        )
    except Exception as error:  # libtpu raises several kinds
        reason = str(error).splitlines()[0][:200]
        raise UserError(f"libtpu does not know the slice {topology.name}: {reason}") from error
    return list(slice_.devices)


def compile_train_step(
    config: LlamaConfig, settings: TrainSettings, mesh_settings: MeshSettings, devices: list[Any]
) -> Compiled:
    """The train step of `rft train`, compiled for these devices."""
    mesh = make_mesh(mesh_settings, devices)
    config = replace(config, **{name: getattr(settings, name) for name in COMPUTED})
    with jax.set_mesh(mesh):
        base = jax.eval_shape(lambda: init_params(replace(config, lora=None), jax.random.key(0)))
        frozen: Any = {}
        trained = base
        if config.lora is not None:
            frozen = with_shardings(base, param_shardings(base, mesh))
            trained = jax.eval_shape(lambda: init_adapters(config, jax.random.key(0)))
        state = jax.eval_shape(partial(init_train_state, settings=settings), trained)
        state = with_shardings(state, state_shardings(state, mesh))
        lowered = train_step.lower(
            state,
            _batch_shapes(settings, mesh),
            jax.ShapeDtypeStruct((), jnp.float32),
            config=config,
            settings=settings,
            mesh=mesh,
            **({"frozen": frozen} if frozen else {}),
        )
        return _compile(lowered)


def _batch_shapes(settings: TrainSettings, mesh: Mesh) -> dict[str, jax.ShapeDtypeStruct]:
    kinds = dict.fromkeys(("tokens", "targets", "positions", "segment_ids"), jnp.int32)
    kinds["loss_weights"] = jnp.float32
    shape, sharding = (settings.batch_size, settings.max_length), batch_sharding(mesh)
    return {
        name: jax.ShapeDtypeStruct(shape, kind, sharding=sharding) for name, kind in kinds.items()
    }


def compile_decode_step(
    config: LlamaConfig,
    settings: SampleSettings,
    geometry: Geometry,
    tensor: int,
    devices: list[Any],
) -> Compiled:
    """The decoding loop of `rft sample`, with a copy of the model on every `tensor` devices."""
    mesh = make_mesh(MeshSettings(tensor=tensor), devices)
    stacked = replace(config, param_dtype=settings.dtype)
    method = method_of(settings)
    program = Program(decoding_config(config, settings.dtype), method, (2,), geometry, mesh)
    with jax.set_mesh(mesh):
        params = jax.eval_shape(
            lambda: unstack_layers(init_params(stacked, jax.random.key(0)), config.num_layers)
        )
        params = with_shardings(params, decoding_shardings(params, mesh, program.row_axes))
        state = abstract_state(program, geometry.buckets[-1])
        more = jax.ShapeDtypeStruct((), jnp.bool_)
        return _compile(decode_chunk.lower(params, state, more, program=program))


def _compile(lowered: Any) -> Compiled:
    try:
        compiled = lowered.compile()
    except Exception as error:  # XlaRuntimeError is not a public name
        used = re.search(_TOO_LARGE, str(error))
        if used is None:
            raise
        needed = int(float(used[1]) * _UNITS[used[2]])
        return Compiled(0, 0, 0, needed, False)
    memory = compiled.memory_analysis()
    state = memory.argument_size_in_bytes
    new = memory.output_size_in_bytes - memory.alias_size_in_bytes
    temporary = memory.temp_size_in_bytes + new
    code = memory.generated_code_size_in_bytes
    needed = state + temporary + code
    return Compiled(state, temporary, code, needed, True, compiled.as_text())
