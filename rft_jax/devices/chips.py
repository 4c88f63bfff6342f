"""Accelerators: memory, peak and bandwidths as their makers publish them, and usable memory."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

GIB = 2**30
# Share of a device's memory that formulas may fill; compiled programs need temporary buffers too.
USABLE = 0.8


@dataclass(frozen=True)
class Chip:
    """One accelerator.

    Attributes:
      name: its name in topologies and on the command line, e.g. `v5e`.
      device_kind: pattern of JAX's `device_kind`.
      hbm: memory in bytes.
      peak: dense bf16 FLOPs per second.
      bandwidth: bytes per second between memory and chip.
      interconnect: bytes per second that the chip can send to its neighbours, over all links.
      cores: cores per chip where product names count cores (`v5p-128` has 64 chips), else 1.
      dimensions: of a slice's topology; 0 for chips joined by a switch.
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
        Chip("v4", r"TPU v4", 32 * GIB, 275e12, 1228e9, 300e9, 2, 3),
        Chip("v5e", r"TPU v5 lite|TPU v5e", 16 * GIB, 197e12, 819e9, 200e9, 1, 2),
        Chip("v5p", r"TPU v5p?", 95 * GIB, 459e12, 2765e9, 600e9, 2, 3),
        Chip("v6e", r"TPU v6 lite|TPU v6e", 32 * GIB, 918e12, 1640e9, 448e9, 1, 2),
        Chip("a100", r"NVIDIA A100.*80GB.*", 80 * GIB, 312e12, 2039e9, 300e9),
        Chip("h100", r"NVIDIA H100 80GB HBM3", 80 * GIB, 989e12, 3350e9, 450e9),
        Chip("h200", r"NVIDIA H200", 141 * GIB, 989e12, 4800e9, 450e9),
    )
}


def chip_of(device_kind: str) -> Chip | None:
    """The chip with JAX's `device_kind`; None for an unknown one, such as a CPU."""
    return next((c for c in CHIPS.values() if re.fullmatch(c.device_kind, device_kind)), None)


def available_memory(chip: Chip) -> float:
    """Bytes of a chip that JAX allocates from.

    All of a TPU's; of a GPU's the share in `XLA_PYTHON_CLIENT_MEM_FRACTION`, by default 3/4.
    """
    share = "1" if chip.dimensions else os.environ.get("XLA_PYTHON_CLIENT_MEM_FRACTION", "0.75")
    return float(share) * chip.hbm


def size_text(num_bytes: float) -> str:
    """Bytes in B, KiB, MiB or GiB, e.g. `12.6 GiB`."""
    for unit in ("B", "KiB", "MiB"):
        if num_bytes < 1024:
            return f"{num_bytes:,.0f} {unit}" if num_bytes >= 100 else f"{num_bytes:.3g} {unit}"
        num_bytes /= 1024
    return f"{num_bytes:,.1f} GiB"
