"""The sizes of the device mesh, as a command's settings have them."""

from __future__ import annotations

from dataclasses import dataclass


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
