"""Where sampling runs: the mesh, and the model's weights on it.

Slots are split over `data` and `fsdp`: every device decodes samples of its own, with a copy of the
weights (split over `tensor` alone). Where `shard_weights` is set, `fsdp` splits the weights too,
and slots are split over `data` alone.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from rft_jax.devices.mesh_settings import MeshSettings
from rft_jax.devices.partitioning import make_mesh, param_shardings
from rft_jax.models.llama import Params, unstack_layers
from rft_jax.sampling.geometry import Hardware
from rft_jax.sampling.settings import SampleSettings


def sampling_mesh(settings: SampleSettings, mesh: MeshSettings | None) -> Mesh:
    """The mesh to sample on: this host's devices, or all hosts' with `span_hosts`.

    Args:
      settings: how to sample.
      mesh: sizes of the mesh; None for the first device alone.
    """
    if mesh is None:
        return make_mesh(MeshSettings(), jax.local_devices()[:1])
    return make_mesh(mesh, jax.devices() if settings.span_hosts else jax.local_devices())


def row_axes(settings: SampleSettings) -> tuple[str, ...]:
    """Axes of the mesh that slots are split over."""
    return ("data",) if settings.shard_weights else ("data", "fsdp")


def decoding_shardings(params: Any, mesh: Mesh, rows: tuple[str, ...]) -> Any:
    """Shardings of parameters by layer: those of training, but replicated over the slots' axes."""

    def without_rows(sharding: NamedSharding) -> NamedSharding:
        return NamedSharding(mesh, P(*(None if axis in rows else axis for axis in sharding.spec)))

    return jax.tree.map(without_rows, param_shardings(params, mesh))


def params_placer(
    params: Params, num_layers: int, dtype: str, mesh: Mesh, rows: tuple[str, ...]
) -> Callable[[Params], Params]:
    """A compiled function from parameters to those of the decoding loop.

    These are by layer, since slicing stacked ones inside the loop would copy them in every step, in
    the decoding dtype, and sharded as the loop needs them. For weights that change, it is kept.

    Args:
      params: parameters (or their shapes) like those that it will place.
    """
    prepare = partial(_by_layer, num_layers=num_layers, dtype=dtype)
    shardings = decoding_shardings(jax.eval_shape(prepare, params), mesh, rows)
    return jax.jit(prepare, out_shardings=shardings)


def _by_layer(params: Params, num_layers: int, dtype: str) -> Params:
    return unstack_layers(jax.tree.map(lambda x: x.astype(dtype), params), num_layers)


def hardware_of(mesh: Mesh, rows: tuple[str, ...], resident: int = 0) -> Hardware:
    """What the geometry on this mesh is chosen for.

    Args:
      resident: bytes of one device that a training holds; not counted on a CPU, where geometries
        are those of earlier versions.
    """
    device = mesh.devices.flat[0]
    shards = math.prod(mesh.shape[axis] for axis in rows)
    return Hardware(
        platform=device.platform,
        memory=_memory(device),
        shards=shards,
        tensor=mesh.shape["tensor"],
        weight_shards=mesh.size // shards,
        resident=0 if device.platform == "cpu" else resident,
    )


def _memory(device: Any) -> int:
    """Bytes of a device; the CPU devices of a machine share its memory."""
    stats = device.memory_stats() if device.platform != "cpu" else None
    if stats and "bytes_limit" in stats:
        return stats["bytes_limit"]
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return whole // len(jax.local_devices())
