"""Settings of the device mesh: its sizes by axis."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from rft_jax.errors import UserError

AXES = ("data", "fsdp", "tensor")


@dataclass(frozen=True)
class MeshSettings:
    """The number of devices along each axis of the mesh; one of them may be -1.

    Attributes:
      data: number of shards of the batch, each with a full copy of the parameters.
      fsdp: number of shards of batch and parameters; -1 for all remaining devices.
      tensor: number of shards of heads, feed-forward width and vocabulary.
    """

    data: int = 1
    fsdp: int = -1
    tensor: int = 1

    def __post_init__(self) -> None:
        for name in AXES:
            size = getattr(self, name)
            if size < 1 and size != -1:
                raise UserError(f"mesh.{name} is {size}; 1 or more is needed, or -1 for the rest")
        rest = [f"mesh.{name}" for name in AXES if getattr(self, name) == -1]
        if len(rest) > 1:
            raise UserError(
                f"{' and '.join(rest)} are -1; only one axis gets the remaining devices"
            )


def mesh_sizes(settings: MeshSettings, devices: int) -> dict[str, int]:
    """The mesh's sizes by axis, with the remaining devices in place of -1.

    Args:
      devices: number of devices.

    Raises:
      UserError: the product of the sizes is not the number of devices.
    """
    sizes = [settings.data, settings.fsdp, settings.tensor]
    given = math.prod(size for size in sizes if size != -1)
    if -1 in sizes and devices % given == 0:
        sizes[sizes.index(-1)] = devices // given
    if math.prod(sizes) != devices:
        raise UserError(
            f"mesh data {settings.data} × fsdp {settings.fsdp} × tensor {settings.tensor} does not "
            f"make up {devices} devices; set one of them to -1"
        )
    return dict(zip(AXES, sizes, strict=True))


def check_batch(rows: int, sizes: Mapping[str, int]) -> None:
    """Refuses a batch that can't be split evenly over the mesh.

    Args:
      sizes: of the mesh by axis.

    Raises:
      UserError: names both numbers.
    """
    shards = sizes["data"] * sizes["fsdp"]
    if rows % shards:
        raise UserError(
            f"train.batch_size {rows} is not divisible by mesh data × fsdp = {shards}: set it to "
            f"{-(-rows // shards) * shards}, or give devices to mesh.tensor"
        )
