"""Two processes of four CPU devices train as one does, stop together, and are resumed by one."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rft_jax.files.jsonl import read_rows
from rft_jax.training.trainer import train
from tests.training.conftest import CONFIG, SETTINGS

ROOT = Path(__file__).parents[2]
PREEMPTED = 75
TIMEOUT = 900  # seconds; a launch takes fifteen on two free cores, many times that on busy ones
# Process 1 gets SIGTERM before step 5. The news takes a moment to reach the other one, so steps are
# slow from then on: they must not be over before it does.
STOPPED = """
from rft_jax.errors import Preempted
from rft_jax.training import loop
step, calls = loop.train_step, []
def slow_step(*args, **named):
    calls.append(1)
    if len(calls) == 5 and os.environ["JAX_PROCESS_ID"] == "1":
        os.kill(os.getpid(), signal.SIGTERM)
    if len(calls) >= 5:
        time.sleep(1)
    return step(*args, **named)
loop.train_step = slow_step
try:
    train(CONFIG, [data], output, SETTINGS)
except Preempted as error:
    print(error)
    sys.exit(75)
"""
# Trains to the end; then again, with another setting.
FINISHED = """
from rft_jax.errors import UserError
short = replace(SETTINGS, num_steps=2)
train(CONFIG, [data], output, short)
try:
    train(CONFIG, [data], output, replace(short, seed=1))
except UserError as error:
    print(f"refused: {error}")
"""
COMMON = """
import os, signal, sys, time
from dataclasses import replace
data, output, root = sys.argv[1:4]
sys.path.insert(0, root)
from rft_jax.training.trainer import train
from tests.training.conftest import CONFIG, SETTINGS
"""


def in_two_processes(script: str, data: str, output: Path) -> tuple[list[int], list[str]]:
    """Exit codes and printed text of both."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"} | {
        "JAX_NUM_CPU_DEVICES": "4",
        "JAX_COORDINATOR_ADDRESS": f"127.0.0.1:{port}",
        "JAX_NUM_PROCESSES": "2",
    }
    started = [
        subprocess.Popen(
            [sys.executable, "-c", COMMON + script, data, str(output), str(ROOT)],
            env=environment | {"JAX_PROCESS_ID": str(number)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for number in range(2)
    ]
    try:
        texts = [process.communicate(timeout=TIMEOUT)[0] for process in started]
    finally:
        for process in started:
            process.kill()
    return [process.returncode for process in started], texts


def losses(folder: Path) -> list[float]:
    rows = [row for _, row in read_rows(folder / "metrics.jsonl")]
    assert [row["step"] for row in rows] == list(range(1, len(rows) + 1))
    return [row["loss"] for row in rows]


@pytest.mark.slow
def test_two_processes_stop_together_and_one_resumes_with_the_same_losses(
    data: str, tmp_path: Path
) -> None:
    folder = tmp_path / "together"
    codes, texts = in_two_processes(STOPPED, data, folder)
    assert codes == [PREEMPTED, PREEMPTED], texts
    done = len(losses(folder))
    assert 5 <= done < 20
    assert all(f"stopped after step {done}" in text for text in texts)
    assert ["60 examples" in text for text in texts] == [True, False]
    train(CONFIG, [data], str(folder), SETTINGS)
    train(CONFIG, [data], str(tmp_path / "alone"), SETTINGS)
    assert len(losses(folder)) == 20
    np.testing.assert_allclose(losses(folder), losses(tmp_path / "alone"), rtol=1e-5)


@pytest.mark.slow
def test_two_processes_finish_with_one_model_and_refuse_together(data: str, tmp_path: Path) -> None:
    codes, texts = in_two_processes(FINISHED, data, tmp_path / "together")
    assert codes == [0, 0], texts
    assert (tmp_path / "together" / "COMPLETE").exists()
    assert "refused: " in texts[0] and "seed = 0, now it is 1" in texts[0]
    assert "opening the output: failed in process 0, whose message says why" in texts[1]
    train(CONFIG, [data], str(tmp_path / "alone"), replace(SETTINGS, num_steps=2))
    np.testing.assert_allclose(losses(tmp_path / "together"), losses(tmp_path / "alone"), rtol=1e-5)
