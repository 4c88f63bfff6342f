"""Which processes belong together, as the environment says; needs no JAX."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rft_jax.errors import UserError

# `host:port` of process 0, how many processes there are, and which of them this is.
VARIABLES = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")
# Tasks that one `srun` or `mpirun` has started.
_TASK_COUNTS = ("SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE")


@dataclass(frozen=True)
class Place:
    """One process among several.

    Attributes:
      address: `host:port` of process 0.
      count: how many processes there are.
      index: which one this is, from 0.
    """

    address: str
    count: int
    index: int

    @property
    def host(self) -> str:
        """Process 0's host."""
        return self.address.rpartition(":")[0]

    @property
    def port(self) -> int:
        """Process 0's port."""
        return int(self.address.rpartition(":")[2])

    def variables(self) -> dict[str, str]:
        """The environment variables that say so."""
        values = (self.address, str(self.count), str(self.index))
        return dict(zip(VARIABLES, values, strict=True))


def named_place(environment: Mapping[str, str]) -> Place | None:
    """What the three variables say; None where none is set.

    Raises:
      UserError: some are set and not the rest, or one can't be read.
    """
    given = [name for name in VARIABLES if environment.get(name)]
    if not given:
        return None
    missing = [name for name in VARIABLES if name not in given]
    if missing:
        raise UserError(f"{given[0]} is set and {missing[0]} is not; set all three or none")
    try:
        count, index = (int(environment[name]) for name in VARIABLES[1:])
    except ValueError as error:
        raise UserError(f"{' and '.join(VARIABLES[1:])} are numbers: {error}") from error
    address = environment[VARIABLES[0]]
    if not address.rpartition(":")[2].isdecimal():
        raise UserError(f"{VARIABLES[0]} is {address!r}; HOST:PORT of process 0 is needed")
    if not 0 <= index < count:
        raise UserError(f"{VARIABLES[2]} is {index}; it goes from 0 to {count - 1}")
    return Place(address, count, index)


def is_started_together(environment: Mapping[str, str]) -> bool:
    """Whether a launcher that JAX knows started several processes: Slurm, Open MPI, a TPU slice."""
    tasks = any(environment.get(name, "1") not in ("", "1") for name in _TASK_COUNTS)
    return tasks or "," in environment.get("TPU_WORKER_HOSTNAMES", "")


def cluster_arguments(environment: Mapping[str, str], has_tpu: bool) -> dict[str, Any] | None:
    """What `jax.distributed.initialize` needs; {} where it finds out itself, None for one process.

    The three variables come first; then Slurm (a process a GPU), Open MPI, and the hosts of a TPU
    slice.
    """
    place = named_place(environment)
    if place is not None:
        return {
            "coordinator_address": place.address,
            "num_processes": place.count,
            "process_id": place.index,
            # Else JAX takes one GPU alone where Slurm started the process.
            "cluster_detection_method": "deactivate",
        }
    if is_started_together(environment):
        return {}
    return {} if has_tpu and "TPU_SKIP_MDS_QUERY" not in environment else None


def has_tpu() -> bool:
    """Whether this machine has a TPU and what drives it."""
    devices = (Path("/dev/accel0"), Path("/dev/vfio/0"))
    return any(d.exists() for d in devices) and importlib.util.find_spec("libtpu") is not None
