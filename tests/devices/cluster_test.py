"""Which processes belong together is read off the environment."""

from __future__ import annotations

import pytest

from rft_jax.devices.cluster import cluster_arguments
from rft_jax.errors import UserError

EXPLICIT = {
    "JAX_COORDINATOR_ADDRESS": "10.0.0.1:1234",
    "JAX_NUM_PROCESSES": "4",
    "JAX_PROCESS_ID": "2",
}


def test_one_process_joins_nothing() -> None:
    assert cluster_arguments({}, has_tpu=False) is None
    assert cluster_arguments({"SLURM_JOB_ID": "7", "SLURM_STEP_NUM_TASKS": "1"}, False) is None
    assert cluster_arguments({"TPU_WORKER_HOSTNAMES": "one"}, False) is None


def test_the_explicit_variables_say_everything() -> None:
    assert cluster_arguments(EXPLICIT, has_tpu=True) == {
        "coordinator_address": "10.0.0.1:1234",
        "num_processes": 4,
        "process_id": 2,
        "cluster_detection_method": "deactivate",
    }


@pytest.mark.parametrize(
    "environment",
    [
        {"SLURM_JOB_ID": "7", "SLURM_STEP_NUM_TASKS": "8", "SLURM_PROCID": "3"},
        {"OMPI_COMM_WORLD_SIZE": "2"},
        {"TPU_WORKER_HOSTNAMES": "host-0,host-1", "TPU_WORKER_ID": "1"},
    ],
)
def test_tasks_of_a_launcher_are_joined_as_jax_finds_them(environment: dict[str, str]) -> None:
    assert cluster_arguments(environment, has_tpu=False) == {}


def test_a_tpu_machine_asks_for_its_slice_unless_told_not_to() -> None:
    assert cluster_arguments({}, has_tpu=True) == {}
    assert cluster_arguments({"TPU_SKIP_MDS_QUERY": "1"}, has_tpu=True) is None


@pytest.mark.parametrize("missing", list(EXPLICIT))
def test_two_of_the_three_variables_are_refused_by_name(missing: str) -> None:
    environment = {name: value for name, value in EXPLICIT.items() if name != missing}
    with pytest.raises(UserError, match=f"{missing} is not; set all three or none"):
        cluster_arguments(environment, has_tpu=False)


def test_a_process_number_that_is_none_is_refused() -> None:
    with pytest.raises(UserError, match="JAX_NUM_PROCESSES and JAX_PROCESS_ID are numbers"):
        cluster_arguments(EXPLICIT | {"JAX_PROCESS_ID": "two"}, has_tpu=False)
