"""The device mesh, and which axis of which parameter lies on which axis of it.

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

from rft_jax.devices.mesh_settings import AXES, MeshSettings, mesh_sizes
from rft_jax.devices.sharding_rules import fitting_axes, param_axes
from rft_jax.errors import UserError

BATCH_AXES = ("data", "fsdp")


def make_mesh(settings: MeshSettings, devices: list[Any] | None = None) -> Mesh:
    """A mesh of `data` × `fsdp` × `tensor` devices; one size may be -1, for all that are left.

    Raises:
      UserError: the sizes don't make up the number of devices.
    """
    devices = jax.devices() if devices is None else devices
    sizes = tuple(mesh_sizes(settings, len(devices)).values())
    grid = np.asarray(devices).reshape(sizes)
    return Mesh(grid, AXES, axis_types=(AxisType.Auto,) * 3)


def param_spec(path: str, ndim: int) -> P:
    """The PartitionSpec of a parameter by its path, e.g. `layers/attention/q/kernel`.

    Raises:
      UserError: no rule matches.
    """
    return P(*param_axes(path, ndim))


def param_shardings(params: Any, mesh: Mesh) -> Any:
    """A NamedSharding for every leaf of a parameter tree (arrays or shapes).

    An axis that the mesh does not divide evenly (heads over too many devices, say) is left whole.
    """

    def sharding(path: tuple[Any, ...], leaf: Any) -> NamedSharding:
        return NamedSharding(mesh, P(*fitting_axes(path_name(path), leaf.shape, mesh.shape)))

    return jax.tree_util.tree_map_with_path(sharding, params)


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
    shards = mesh.shape["data"] * mesh.shape["fsdp"]
    if rows % shards:
        raise UserError(
            f"train.batch_size {rows} is not divisible by mesh data × fsdp = {shards}: set it to "
            f"{-(-rows // shards) * shards}, or give devices to mesh.tensor"
        )
    if shards % jax.process_count():
        raise UserError(
            f"mesh data × fsdp = {shards} is not divisible by {jax.process_count()} processes, and "
            "each feeds rows of its own; lower mesh.tensor"
        )


def constrain_activations(x: Array) -> Array:
    """Keeps activations split by row over `data` and `fsdp`, inside a mesh; nothing without one."""
    mesh = jax.sharding.get_abstract_mesh()
    if mesh.empty or "fsdp" not in mesh.axis_names:
        return x
    if set(BATCH_AXES) & set(mesh.manual_axes):  # the rows are one part's own already
        return x
    if x.shape[0] % (mesh.shape["data"] * mesh.shape["fsdp"]):
        return x
    return jax.lax.with_sharding_constraint(x, P(BATCH_AXES))


def global_batch(batch: Any, mesh: Mesh) -> Any:
    """Global arrays of which this process contributes its own rows."""
    sharding = batch_sharding(mesh)
    return jax.tree.map(lambda rows: jax.make_array_from_process_local_data(sharding, rows), batch)
