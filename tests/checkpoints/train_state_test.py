"""Train state on disk: any mesh, async, pruned; damaged and partial steps are skipped."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from rft_jax.checkpoints.train_state import TrainStateCheckpoints, restore_params
from rft_jax.devices.mesh_settings import MeshSettings
from rft_jax.devices.partitioning import make_mesh
from rft_jax.errors import UserError


@flax.struct.dataclass
class State:
    step: Any
    params: Any
    opt_state: Any


def _state(step: int, width: int = 32) -> State:
    """A state that says in every number which step it is of."""
    params = {"a": {"kernel": jnp.full((width, 16), step / 2)}, "b": jnp.arange(64.0) + step}
    opt_state = optax.adamw(1e-3).init(params)
    return State(jnp.int32(step), params, jax.tree.map(lambda x: x + step, opt_state))


def _equal(a: Any, b: Any) -> bool:
    assert jax.tree.structure(a) == jax.tree.structure(b)
    return jax.tree.all(jax.tree.map(lambda x, y: bool(np.array_equal(x, y)), a, b))


def _on_mesh(state: State, devices: int) -> State:
    mesh = make_mesh(MeshSettings(1, devices, 1), jax.devices()[:devices])
    place = {1: NamedSharding(mesh, P("fsdp")), 2: NamedSharding(mesh, P("fsdp", None))}
    return jax.tree.map(
        lambda x: jax.device_put(x, place.get(x.ndim, NamedSharding(mesh, P()))), state
    )


def _saved(folder: Path, *steps: int, keep: int = 3) -> Path:
    checkpoints = TrainStateCheckpoints(folder, keep)
    for step in steps:
        checkpoints.save(step, _state(step))
    checkpoints.close()
    return folder


def test_a_state_comes_back_as_it_was(tmp_path: Path) -> None:
    restored = TrainStateCheckpoints(_saved(tmp_path, 7)).restore_latest(_state(0))
    assert _equal(restored, _state(7))


def test_nothing_comes_back_from_an_empty_folder(tmp_path: Path) -> None:
    assert TrainStateCheckpoints(tmp_path / "new").restore_latest(_state(0)) is None


def test_a_state_moves_from_eight_devices_to_four_to_one(tmp_path: Path) -> None:
    expected = _state(3)
    state = _on_mesh(expected, 8)
    for devices in (4, 1):
        folder = tmp_path / str(devices)
        checkpoints = TrainStateCheckpoints(folder)
        checkpoints.save(3, state)
        checkpoints.close()
        target = _on_mesh(_state(0), devices)
        restored = TrainStateCheckpoints(folder).restore_latest(target)
        assert restored is not None
        assert _equal(restored, expected)
        for leaf, wanted in zip(jax.tree.leaves(restored), jax.tree.leaves(target), strict=True):
            assert leaf.sharding == wanted.sharding
        state = restored


def test_old_steps_are_pruned_once_newer_ones_are_complete(tmp_path: Path) -> None:
    _saved(tmp_path, 1, 2, 3, 4, keep=2)
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_dir()) == ["3", "4"]


def test_parameters_are_restored_alone(tmp_path: Path) -> None:
    _saved(tmp_path, 1, 2)
    before = sorted(tmp_path.rglob("*"))
    assert _equal(restore_params(tmp_path, _state(0).params), _state(2).params)
    assert _equal(restore_params(tmp_path, _state(0).params, step=1), _state(1).params)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_save_is_of_the_state_at_its_call(tmp_path: Path) -> None:
    """The next step is computed in the buffers of the last, while they are still being written."""

    @partial(jax.jit, donate_argnums=0)
    def advance(state: State) -> State:
        return jax.tree.map(lambda x: x + 1, state)

    size = 1_000_000
    for devices in (1, 8):
        state = _on_mesh(
            State(jnp.int32(0), {"w": jnp.zeros(size)}, {"m": jnp.zeros(size)}), devices
        )
        checkpoints = TrainStateCheckpoints(tmp_path / str(devices), keep=2)
        for step in range(1, 6):
            state = advance(state)
            checkpoints.save(step, state)
            state = advance(advance(state))
            state = jax.tree.map(lambda x: x - 2, state)
        checkpoints.wait()
        restored = checkpoints.restore_latest(state)
        assert restored is not None
        for leaf in jax.tree.leaves(restored):
            assert np.unique(leaf).tolist() == [5]


def _break(step: Path, how: str) -> None:
    """Damages a step: 'delete' or 'truncate' a kind of file."""
    verb, name = how.split(" ")
    files = [path for path in step.rglob(name) if path.is_file()]
    assert files
    for path in files:
        if verb == "delete":
            path.unlink()
        else:
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    "how",
    [
        "delete _METADATA",
        "truncate _METADATA",
        "delete manifest.ocdbt",
        "truncate manifest.ocdbt",
        "truncate _sharding",
        "delete [0-9a-f]*[0-9a-f]",  # the data
        "truncate [0-9a-f]*[0-9a-f]",
    ],
)
def test_a_damaged_step_is_ignored_with_a_warning_and_can_be_saved_again(
    tmp_path: Path, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    _saved(tmp_path, 1, 2)
    _break(tmp_path / "2", how)
    checkpoints = TrainStateCheckpoints(tmp_path, keep=3)
    with caplog.at_level(logging.WARNING):
        restored = checkpoints.restore_latest(_state(0))
    assert _equal(restored, _state(1))
    assert f"{tmp_path / '2'}: damaged checkpoint ignored" in caplog.text
    checkpoints.save(2, _state(2))
    checkpoints.wait()
    assert _equal(checkpoints.restore_latest(_state(0)), _state(2))
    checkpoints.close()


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        PermissionError(13, "Permission denied"),
        TimeoutError("no answer"),
        jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 8 bytes"),
        ValueError('PERMISSION_DENIED: Error opening "zarr" driver'),
        ValueError("UNAVAILABLE: no connection"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_step_that_cannot_be_read_now_ends_the_command_and_stays(
    tmp_path: Path, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    _saved(tmp_path, 1, 2)

    def fail(*_arguments: object, **_named: object) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr("orbax.checkpoint.CheckpointManager.restore", fail)
        checkpoints = TrainStateCheckpoints(tmp_path, keep=3)
        for restore in (
            partial(checkpoints.restore_latest, _state(0)),
            partial(restore_params, tmp_path, _state(0).params),
            partial(restore_params, tmp_path, _state(0).params, step=2),
        ):
            with pytest.raises(UserError, match=r"/2: can't be read now .* run the same command"):
                restore()
    assert _equal(checkpoints.restore_latest(_state(0)), _state(2))


def test_training_does_not_start_over_where_every_step_is_damaged(tmp_path: Path) -> None:
    _saved(tmp_path, 100, 200)
    for step in ("100", "200"):
        _break(tmp_path / step, "delete manifest.ocdbt")
    checkpoints = TrainStateCheckpoints(tmp_path)
    for restore in (
        partial(checkpoints.restore_latest, _state(0)),
        partial(restore_params, tmp_path, _state(0).params),
    ):
        with pytest.raises(UserError, match=r"no checkpoint .* of steps \[200, 100\] .* delete"):
            restore()
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["100", "200"]


def test_a_partial_step_is_not_restored(tmp_path: Path) -> None:
    _saved(tmp_path, 1)
    scrap = tmp_path / "2.orbax-checkpoint-tmp"
    (scrap / "params").mkdir(parents=True)
    (scrap / "params" / "manifest.ocdbt").write_bytes(b"half")
    assert _equal(TrainStateCheckpoints(tmp_path).restore_latest(_state(0)), _state(1))
    assert not scrap.exists()


def test_an_only_step_that_is_partial_is_none(tmp_path: Path) -> None:
    """A training killed in the middle of its first save starts again by itself."""
    _saved(tmp_path, 1)
    (tmp_path / "1").rename(tmp_path / "1.orbax-checkpoint-tmp")
    checkpoints = TrainStateCheckpoints(tmp_path)
    assert checkpoints.restore_latest(_state(0)) is None
    checkpoints.save(1, _state(1))
    checkpoints.wait()
    assert _equal(checkpoints.restore_latest(_state(0)), _state(1))


def test_a_checkpoint_of_another_shape_is_refused_with_both_shapes(tmp_path: Path) -> None:
    _saved(tmp_path, 1)
    with pytest.raises(
        UserError, match=r"a/kernel has shape \(32, 16\), this model's is \(48, 16\)"
    ):
        TrainStateCheckpoints(tmp_path).restore_latest(_state(0, width=48))
    with pytest.raises(UserError, match="c has shape none"):
        restore_params(tmp_path, {**_state(0).params, "c": jnp.zeros(1)})
    assert (tmp_path / "1").is_dir()


_SAVER = """
import sys
import jax.numpy as jnp
from flax import struct
from rft_jax.checkpoints.train_state import TrainStateCheckpoints
from typing import Any

@struct.dataclass
class State:
    step: Any
    params: Any

def state(n):
    return State(jnp.int32(n), {"w": jnp.full((64, 4096), n, jnp.float32)})

checkpoints = TrainStateCheckpoints(sys.argv[1], keep=1)
last = checkpoints.restore_latest(state(0))
first = 0 if last is None else int(last.step)
assert last is None or bool((last.params["w"] == first).all()), "a mixed state"
print("restored", first, flush=True)
for n in range(first + 1, 10_000):
    checkpoints.save(n, state(n))
    print("saved", n, flush=True)
"""


def _run_and_kill(folder: Path, delay: float) -> int:
    """Saves without end in a process, kills it, and returns the step it had begun with."""
    environment = os.environ | {"XLA_FLAGS": ""}
    process = subprocess.Popen(
        [sys.executable, "-c", _SAVER, str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert process.stdout is not None
    first = process.stdout.readline().split()
    process.stdout.readline()
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert first[:1] == ["restored"], first
    return int(first[1])


@pytest.mark.parametrize(
    "delays",
    [(0.3, 0.0), pytest.param((0.5, 0.11, 0.23, 0.37, 0.05, 0.61), marks=pytest.mark.slow)],
)
def test_a_process_killed_while_saving_leaves_complete_steps(
    tmp_path: Path, delays: tuple[float, ...]
) -> None:
    begun = [_run_and_kill(tmp_path, delay) for delay in delays]
    assert begun == sorted(begun)
    assert begun[-1] > 0


_RESTORER = """
import os, sys
import jax
jax.distributed.initialize(sys.argv[1], 2, int(sys.argv[2]))
import jax.numpy as jnp
from flax import struct
from jax.sharding import NamedSharding, PartitionSpec
from pathlib import Path
from rft_jax.checkpoints import train_state
from rft_jax.devices.mesh_settings import MeshSettings
from rft_jax.devices.partitioning import make_mesh
from typing import Any

@struct.dataclass
class State:
    step: Any
    params: Any

mesh = make_mesh(MeshSettings(1, 2, 1))
split, whole = (NamedSharding(mesh, spec) for spec in (PartitionSpec("fsdp"), PartitionSpec()))

def state(n):
    w = jax.make_array_from_callback((64,), split, lambda _: jnp.full(32, n, "float32"))
    return State(jax.make_array_from_callback((), whole, lambda _: jnp.int32(n)), {"w": w})

folder = Path(sys.argv[3])
checkpoints = train_state.TrainStateCheckpoints(folder, keep=3)
for n in (1, 2):
    checkpoints.save(n, state(n))
checkpoints.wait()
jax.experimental.multihost_utils.sync_global_devices("saved")
if jax.process_index() == 0:
    (folder / "2" / "params" / "manifest.ocdbt").unlink()
    rename = Path.rename
    Path.rename = lambda *paths: (__import__("time").sleep(3), rename(*paths))  # late
jax.experimental.multihost_utils.sync_global_devices("damaged")
restored = checkpoints.restore_latest(state(0))
found = {float(x) for part in restored.params["w"].addressable_shards for x in part.data}
checkpoints.save(2, state(5))
checkpoints.close()
print("found", found, flush=True)
"""


@pytest.mark.slow
def test_two_processes_skip_a_damaged_step_together(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    environment = os.environ | {"XLA_FLAGS": "", "JAX_NUM_CPU_DEVICES": "1"}
    folder = tmp_path / "checkpoints"
    started = [
        subprocess.Popen(
            [sys.executable, "-c", _RESTORER, address, str(number), str(folder)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
        )
        for number in range(2)
    ]
    try:
        texts = [process.communicate(timeout=300)[0] for process in started]
    finally:
        for process in started:
            process.kill()
    assert all("found {1.0}" in text for text in texts), texts
    assert sorted(path.name for path in folder.iterdir()) == ["1", "2", "damaged-2"]
