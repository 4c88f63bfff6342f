"""Several processes: they wait for each other's files, fail together, and notice a killed one."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rft_jax.devices import distributed
from rft_jax.devices.cluster import ClusterProcess
from rft_jax.errors import UserError
from rft_jax.files.outputs import open_output

ROOT = Path(__file__).parents[2]
START = """
import sys, time
from pathlib import Path
from rft_jax.devices import distributed
distributed._SILENCE_SECONDS = 10
distributed.initialize()
folder = Path(sys.argv[1])
"""
# Process 1 is killed while process 0 works.
WAIT = "print('joined', flush=True); time.sleep(100)"
# Each process writes a file of its own and sees the other's after the barrier.
EXCHANGE = """
from rft_jax.files.remote import mirrored
import jax
with mirrored(f"file://{folder}/out") as local:
    local = Path(local)
    local.mkdir(exist_ok=True)
    (local / f"part-{jax.process_index()}").touch()
    distributed.wait_for_all("parts written", local)
    print(sorted(path.name for path in local.iterdir()))
"""
REFUSE = """
from rft_jax.errors import UserError
def work():
    raise UserError("no such thing")
try:
    distributed.on_main(work, "scoring", folder)
except UserError as error:
    print(error)
"""


def _start(script: str, folder: Path) -> list[subprocess.Popen[str]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    started = []
    for index in (0, 1):
        environment = os.environ | ClusterProcess(address, 2, index).variables()
        # Each process has a copy of its own of what is at a URL.
        environment |= {"JAX_PLATFORMS": "cpu", "RFT_SCRATCH": str(folder / f"scratch-{index}")}
        started.append(
            subprocess.Popen(
                [sys.executable, "-c", START + script, str(folder)],
                cwd=ROOT,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    return started


def _outputs(started: list[subprocess.Popen[str]]) -> list[str]:
    return [process.communicate(timeout=600)[0] for process in started]


@pytest.mark.slow
@pytest.mark.parametrize("killed", [0, 1])
def test_the_other_processes_of_a_killed_one_end_soon(tmp_path: Path, killed: int) -> None:
    started = _start(WAIT, tmp_path)
    for process in started:
        assert process.stdout is not None and process.stdout.readline() == "joined\n"
    started[killed].kill()
    begin = time.monotonic()
    output = _outputs(started)[1 - killed]
    assert time.monotonic() - begin < 40
    assert started[1 - killed].returncode == -signal.SIGABRT
    named = "The following tasks are unhealthy (stopped sending heartbeats):\n1\n"
    assert (named if killed else "the leader task") in output.replace("/job:jax_worker/", "")


@pytest.mark.slow
def test_after_a_barrier_every_process_has_what_the_others_wrote(tmp_path: Path) -> None:
    for output in _outputs(_start(EXCHANGE, tmp_path)):
        assert "['part-0', 'part-1']\n" in output


@pytest.mark.slow
def test_a_mistake_in_process_0_is_raised_in_all(tmp_path: Path) -> None:
    first, second = _outputs(_start(REFUSE, tmp_path))
    # Among lines of Gloo's, which may come last.
    assert "no such thing" in first.splitlines()
    assert "scoring: failed in process 0, whose message says why" in second.splitlines()


def test_one_process_holds_its_output_itself(tmp_path: Path) -> None:
    settings = {"a": 1}
    out = tmp_path / "out"
    with distributed.open_shared_output(out, lambda: settings, "a = 1\n") as folder:
        with pytest.raises(UserError, match="in use"), open_output(out, settings):
            pass
        folder.commit()
    assert (out / "config.gin").read_text() == "a = 1\n"
    with distributed.open_shared_output(out, lambda: settings) as folder:
        assert folder.is_complete


def test_one_process_does_the_work_of_process_0_and_does_not_wait(tmp_path: Path) -> None:
    calls = []
    distributed.on_main(lambda: calls.append(1), "work", tmp_path)
    distributed.wait_for_all("barrier", tmp_path)
    assert distributed.is_main()
    assert calls == [1]


def test_sigterm_sets_the_flag_of_one_process() -> None:
    with distributed.stop_flag() as stopped:
        assert not stopped(1)
        os.kill(os.getpid(), signal.SIGTERM)
        assert stopped(2)
