"""Accelerators: memory, peak and bandwidths, as their makers publish them."""

from __future__ import annotations

import re
from dataclasses import dataclass

_GIB = 2**30


@dataclass(frozen=True)
class Chip:
    """One accelerator.

    Attributes:
      name: as topologies and the command line have it, e.g. `v5e`.
      device_kind: pattern of what JAX calls it.
      hbm: bytes of memory.
      peak: bf16 FLOPs a second, dense.
      bandwidth: bytes a second between memory and chip.
      interconnect: bytes a second that the chip can send to its neighbours, all links together.
      cores: cores in a product name's number (`v5p-128` has 64 chips), 1 where it counts chips.
      dimensions: of a slice's topology; 0 where chips are joined by a switch.
    """

    name: str
    device_kind: str
    hbm: float
    peak: float
    bandwidth: float
    interconnect: float
    cores: int = 1
    dimensions: int = 0


# Cloud TPU documentation, "System architecture" (one page a generation); NVIDIA data sheets, SXM.
CHIPS = {
    chip.name: chip
    for chip in (
        Chip("v4", r"TPU v4", 32 * _GIB, 275e12, 1228e9, 300e9, 2, 3),
        Chip("v5e", r"TPU v5 lite|TPU v5e", 16 * _GIB, 197e12, 819e9, 200e9, 1, 2),
        Chip("v5p", r"TPU v5p?", 95 * _GIB, 459e12, 2765e9, 600e9, 2, 3),
        Chip("v6e", r"TPU v6 lite|TPU v6e", 32 * _GIB, 918e12, 1640e9, 448e9, 1, 2),
        Chip("a100", r"NVIDIA A100.*80GB.*", 80e9, 312e12, 2039e9, 300e9),
        Chip("h100", r"NVIDIA H100 80GB HBM3", 80e9, 989e12, 3350e9, 450e9),
        Chip("h200", r"NVIDIA H200", 141e9, 989e12, 4800e9, 450e9),
    )
}


def chip_of(device_kind: str) -> Chip | None:
    """The chip that JAX calls so; None for one that is not known, such as a CPU."""
    return next((c for c in CHIPS.values() if re.fullmatch(c.device_kind, device_kind)), None)
