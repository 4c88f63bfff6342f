"""A trace holds the requested steps, in the folder of TensorBoard's profiler."""

from __future__ import annotations

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from rft_jax.devices import partitioning
from rft_jax.devices.chips import size_text
from rft_jax.devices.mesh_settings import MeshSettings
from rft_jax.models.config import LlamaConfig
from rft_jax.models.shapes import num_params
from rft_jax.training.profiling import StepTrace, memory_summary
from rft_jax.training.settings import TrainSettings
from rft_jax.training.train_step import init_train_state, state_shardings
from tests.tiny_model import random_params


@jax.jit
def double(x: jax.Array) -> jax.Array:
    return 2 * x


def run_steps(folder: Path, first: int, last: int, count: int) -> list[float]:
    with StepTrace(folder, first, count) as trace:
        return [
            float(trace.call(step, lambda step=step: double(jnp.float32(step))))  # type: ignore[misc]
            for step in range(first, last)
        ]


def traced_steps(folder: Path) -> list[int]:
    """Numbers of the steps that the one trace in a folder shows."""
    (file,) = (folder / "plugins" / "profile").glob("*/*.xplane.pb")
    return sorted(
        int(dict(event.stats)["step_num"])
        for plane in jax.profiler.ProfileData.from_file(str(file)).planes
        for line in plane.lines
        for event in line.events
        if event.name == "train"
    )


def test_the_steps_after_the_first_two_of_a_start_are_traced(tmp_path: Path) -> None:
    assert run_steps(tmp_path, 10, 18, 3) == [2.0 * step for step in range(10, 18)]
    assert traced_steps(tmp_path) == [12, 13, 14]


def test_xprof_shows_the_steps(tmp_path: Path) -> None:
    """As TensorBoard's trace viewer asks it for them."""
    convert = pytest.importorskip("xprof.convert.raw_to_tool_data")
    run_steps(tmp_path, 0, 8, 3)
    files = [str(path) for path in tmp_path.glob("plugins/profile/*/*.xplane.pb")]
    text, _ = convert.xspace_to_tool_data(files, "trace_viewer", {})
    names = [event.get("name", "") for event in json.loads(text)["traceEvents"]]
    assert [name for name in names if name.startswith("train")] == ["train 2", "train 3", "train 4"]


def test_a_training_that_ends_earlier_writes_the_steps_until_then(tmp_path: Path) -> None:
    run_steps(tmp_path, 0, 4, 100)
    assert traced_steps(tmp_path) == [2, 3]


def test_without_requested_steps_there_is_no_trace(tmp_path: Path) -> None:
    run_steps(tmp_path, 0, 4, 0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("fsdp", "share"), [pytest.param(1, 1, marks=pytest.mark.slow), (8, 8)])
def test_the_memory_of_parameters_and_moments_is_a_devices_share(fsdp: int, share: int) -> None:
    config = LlamaConfig(
        vocab_size=64,
        hidden_size=128,
        intermediate_size=512,
        num_layers=1,
        num_heads=8,
        num_kv_heads=8,
    )
    mesh = partitioning.make_mesh(MeshSettings(fsdp=fsdp), jax.devices()[:fsdp])
    state = init_train_state(random_params(config), TrainSettings())
    state = jax.device_put(state, state_shardings(state, mesh))
    norms = 3 * 128  # whole on every device
    parameters = 4 * ((num_params(config) - norms) / share + norms)
    assert memory_summary(state).startswith(
        f"on each device {size_text(parameters)} of parameters, "
        f"{size_text(2 * parameters + 4)} of moments"
    )
