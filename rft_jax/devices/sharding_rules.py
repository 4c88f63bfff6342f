"""Sharding rules: the mesh axis of every parameter axis; plain Python, no JAX."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from rft_jax.errors import UserError

Axes = tuple[str | None, ...]

# Parameter path → mesh axes; stacked parameters have an axis of layers before them. The first match
# wins.
RULES: tuple[tuple[str, Axes], ...] = (
    (r"embed/embedding", ("tensor", "fsdp")),
    (r"unembed/kernel", ("fsdp", "tensor")),
    (r"attention/[qkv]/kernel", ("fsdp", "tensor", None)),
    (r"attention/[qkv]/bias", ("tensor", None)),
    (r"attention/o/kernel", ("tensor", None, "fsdp")),
    (r"mlp/(gate|up)/kernel", ("fsdp", "tensor")),
    (r"mlp/(gate|up)/bias", ("tensor",)),
    (r"mlp/down/kernel", ("tensor", "fsdp")),
    (r"(norm/scale|bias)$", ()),  # small: a copy on every device
    (r"lora_[ab]$", ()),
)


def param_axes(path: str, ndim: int) -> Axes:
    """The mesh axes of a parameter by its path, e.g. `layers/attention/q/kernel`.

    Raises:
      UserError: no rule matches.
    """
    for pattern, axes in RULES:
        if re.search(pattern, path):
            return (None,) * (ndim - len(axes)) + axes
    raise UserError(f"parameter {path!r} matches no sharding rule; add one to sharding_rules.RULES")


def fitting_axes(path: str, shape: Sequence[int], mesh: Mapping[str, int]) -> Axes:
    """`param_axes`, with None for axes that the mesh does not divide evenly.

    Args:
      mesh: the mesh's sizes by axis.
    """
    return tuple(
        axis if axis is None or size % mesh[axis] == 0 else None
        for axis, size in zip(param_axes(path, len(shape)), shape, strict=True)
    )


def shard_elements(shapes: Mapping[str, Sequence[int]], mesh: Mapping[str, int]) -> int:
    """Elements of all parameters on one device.

    Args:
      shapes: parameter path -> shape.
      mesh: size of each mesh axis.
    """
    total = 0
    for path, shape in shapes.items():
        axes = fitting_axes(path, shape, mesh)
        total += math.prod(shape) // math.prod(mesh[axis] for axis in axes if axis)
    return total
