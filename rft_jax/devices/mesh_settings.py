"""The sizes of the device mesh, as a command's settings have them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rft_jax.errors import UserError

AXES = ("data", "fsdp", "tensor")


@dataclass(frozen=True)
class MeshSettings:
    """How many devices lie along each axis of the mesh.

    Attributes:
      data: parts of the batch with a copy of the parameters each.
      fsdp: parts of batch and parameters; -1 for all devices that are left.
      tensor: parts of heads, feed-forward width and vocabulary.
    """

    data: int = 1
    fsdp: int = -1
    tensor: int = 1

    def __post_init__(self) -> None:
        for name in AXES:
            size = getattr(self, name)
            if size < 1 and size != -1:
                raise UserError(f"mesh.{name} is {size}; 1 or more is needed, or -1 for the rest")


def mesh_sizes(settings: MeshSettings, devices: int) -> dict[str, int]:
    """The mesh's sizes by axis, the -1 replaced by what makes up the number of devices.

    Raises:
      UserError: the sizes don't make it up.
    """
    sizes = [settings.data, settings.fsdp, settings.tensor]
    known = math.prod(size for size in sizes if size != -1)
    if -1 in sizes and devices % known == 0:
        sizes[sizes.index(-1)] = devices // known
    if math.prod(sizes) != devices:
        raise UserError(
            f"mesh data {settings.data} × fsdp {settings.fsdp} × tensor {settings.tensor} does not "
            f"make up {devices} devices; set one of them to -1"
        )
    return dict(zip(AXES, sizes, strict=True))
