"""The device mesh, and the shardings of parameters and batches over it.

Mesh axes: `data` (the batch is split, parameters are copied), `fsdp` (batch and parameters are
split) and `tensor` (heads, feed-forward width and vocabulary are split).
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from jaxtyping import Array

from rft_jax.devices.mesh_settings import AXES, MeshSettings, check_batch, mesh_sizes
from rft_jax.devices.sharding_rules import fitting_axes
from rft_jax.errors import UserError

BATCH_AXES = ("data", "fsdp")


def make_mesh(settings: MeshSettings, devices: list[Any] | None = None) -> Mesh:
    """A mesh of `data` × `fsdp` × `tensor` devices.

    Args:
      settings: the sizes; one may be -1, for all remaining devices.
      devices: the devices in order; None for all that JAX has.

    Raises:
      UserError: the product of the sizes is not the number of devices.
    """
    devices = jax.devices() if devices is None else devices
    sizes = tuple(mesh_sizes(settings, len(devices)).values())
    grid = np.asarray(devices).reshape(sizes)
    return Mesh(grid, AXES, axis_types=(AxisType.Auto,) * 3)


def param_shardings(params: Any, mesh: Mesh) -> Any:
    """A NamedSharding for every leaf of a parameter tree (arrays or shapes).

    An axis that the mesh does not divide evenly (heads over too many devices, say) is not split.
    """

    def sharding(path: tuple[Any, ...], leaf: Any) -> NamedSharding:
        return NamedSharding(mesh, P(*fitting_axes(path_name(path), leaf.shape, mesh.shape)))

    return jax.tree_util.tree_map_with_path(sharding, params)


def with_shardings(tree: Any, shardings: Any) -> Any:
    """A ShapeDtypeStruct with its sharding for every leaf of a tree (arrays or shapes)."""
    return jax.tree.map(
        lambda x, sharding: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding),
        tree,
        shardings,
    )


def path_name(path: tuple[Any, ...]) -> str:
    """A key path as `a/b/c`."""
    return jax.tree_util.keystr(path, simple=True, separator="/")


def batch_sharding(mesh: Mesh) -> NamedSharding:
    """Rows of a batch over `data` and `fsdp`."""
    return NamedSharding(mesh, P(BATCH_AXES))


def check_rows(rows: int, mesh: Mesh) -> None:
    """Refuses a batch that can't be split evenly over the mesh, or over the processes.

    Raises:
      UserError: names both numbers.
    """
    check_batch(rows, mesh.shape)
    shards = mesh.shape["data"] * mesh.shape["fsdp"]
    if shards % jax.process_count():
        raise UserError(
            f"mesh data × fsdp = {shards} is not divisible by {jax.process_count()} processes, and "
            "each feeds rows of its own; lower mesh.tensor"
        )


def constrain_activations(x: Array) -> Array:
    """Keeps activations split by row over `data` and `fsdp`; without a mesh it changes nothing."""
    mesh = jax.sharding.get_abstract_mesh()
    if mesh.empty or "fsdp" not in mesh.axis_names:
        return x
    if set(BATCH_AXES) & set(mesh.manual_axes):  # the rows are one shard's already
        return x
    if x.shape[0] % (mesh.shape["data"] * mesh.shape["fsdp"]):
        return x
    return jax.lax.with_sharding_constraint(x, P(BATCH_AXES))


def global_batch(batch: Any, mesh: Mesh) -> Any:
    """Global arrays made of the rows of every process.

    Args:
      batch: a tree of arrays with this process's rows.
    """
    sharding = batch_sharding(mesh)
    return jax.tree.map(lambda rows: jax.make_array_from_process_local_data(sharding, rows), batch)
