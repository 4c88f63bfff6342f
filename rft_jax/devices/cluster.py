"""The processes of a command on several hosts, as the environment describes them; without JAX."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rft_jax.errors import UserError

# `host:port` of process 0, the number of processes, and the index of this one.
VARIABLES = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")
# The number of tasks of one `srun` or `mpirun`.
_TASK_COUNTS = ("SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE")


@dataclass(frozen=True)
class ClusterProcess:
    """One process among several.

    Attributes:
      address: `host:port` of process 0.
      count: number of processes.
      index: this one's index, from 0.
    """

    address: str
    count: int
    index: int

    @property
    def host(self) -> str:
        """Process 0's host."""
        return self.address.rpartition(":")[0]

    def variables(self) -> dict[str, str]:
        """The environment variables that describe it."""
        values = (self.address, str(self.count), str(self.index))
        return dict(zip(VARIABLES, values, strict=True))


def named_process(environment: Mapping[str, str]) -> ClusterProcess | None:
    """The process that the three variables describe; None where none of them is set.

    Raises:
      UserError: some are set and not the rest, or one has an invalid value.
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
        raise UserError(f"{VARIABLES[2]} is {index}; 0 to {count - 1} is needed")
    return ClusterProcess(address, count, index)


def is_started_together(environment: Mapping[str, str]) -> bool:
    """Whether Slurm, Open MPI or a TPU slice, which JAX detects, started several processes."""
    tasks = any(environment.get(name, "1") not in ("", "1") for name in _TASK_COUNTS)
    return tasks or "," in environment.get("TPU_WORKER_HOSTNAMES", "")


def cluster_arguments(environment: Mapping[str, str], has_tpu: bool) -> dict[str, Any] | None:
    """Arguments of `jax.distributed.initialize`; {} where JAX detects them, None for one process.

    The three variables come first; then Slurm (a process per GPU), Open MPI, and the hosts of a TPU
    slice.
    """
    process = named_process(environment)
    if process is not None:
        return {
            "coordinator_address": process.address,
            "num_processes": process.count,
            "process_id": process.index,
            # Otherwise JAX uses a single GPU in a process that Slurm started.
            "cluster_detection_method": "deactivate",
        }
    if is_started_together(environment):
        return {}
    return {} if has_tpu and "TPU_SKIP_MDS_QUERY" not in environment else None


def has_tpu() -> bool:
    """Whether this machine has a TPU and libtpu."""
    devices = (Path("/dev/accel0"), Path("/dev/vfio/0"))
    return any(d.exists() for d in devices) and importlib.util.find_spec("libtpu") is not None
