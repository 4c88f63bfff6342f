"""Two processes of four CPU devices train as one does, stop together, and leave it to go on."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rft_jax.jsonl import read_rows, write_rows
from rft_jax.records import to_row
from rft_jax.wordproblems.generator import generate_problems

ROOT = Path(__file__).parents[2]
PREEMPTED = 75
# Trains; in process 1 SIGTERM comes before step 5, and every step takes its time from then on.
SCRIPT = """
import os, signal, sys, time
sys.path.insert(0, sys.argv[4])
from tests.training.trainer_test import CONFIG, SETTINGS
from rft_jax.errors import Preempted
from rft_jax.mesh_settings import MeshSettings
from rft_jax.training import loop
from rft_jax.training.trainer import train
data, output, stop = sys.argv[1:4]
step, calls = loop.train_step, []
def slow_step(*args, **named):
    calls.append(1)
    if len(calls) == 5 and os.environ["JAX_PROCESS_ID"] == "1":
        os.kill(os.getpid(), signal.SIGTERM)
    if len(calls) >= 5:
        time.sleep(0.3)
    return step(*args, **named)
if stop == "stop":
    loop.train_step = slow_step
try:
    train(CONFIG, [data], output, SETTINGS, MeshSettings(2, -1, 2))
except Preempted as error:
    print(error)
    sys.exit(75)
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("data") / "problems.jsonl"
    write_rows(path, map(to_row, generate_problems("dev", 60)))
    return str(path)


def run(data: str, output: Path, processes: int, stop: str = "") -> list[tuple[int, str]]:
    """Exit codes and printed text of every process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}
    environment["JAX_NUM_CPU_DEVICES"] = str(8 // processes)
    started = []
    for number in range(processes):
        own = {
            "JAX_COORDINATOR_ADDRESS": f"127.0.0.1:{port}",
            "JAX_NUM_PROCESSES": str(processes),
            "JAX_PROCESS_ID": str(number),
        }
        started.append(
            subprocess.Popen(
                [sys.executable, "-c", SCRIPT, data, str(output), stop, str(ROOT)],
                env=environment | (own if processes > 1 else {}),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    texts = [process.communicate(timeout=300)[0] for process in started]
    return [(process.returncode, text) for process, text in zip(started, texts, strict=True)]


def losses(folder: Path) -> list[float]:
    rows = [row for _, row in read_rows(folder / "metrics.jsonl")]
    assert [row["step"] for row in rows] == list(range(1, len(rows) + 1))
    return [row["loss"] for row in rows]


@pytest.mark.slow
def test_two_processes_stop_together_and_one_goes_on_with_the_same_losses(
    data: str, tmp_path: Path
) -> None:
    (alone,) = run(data, tmp_path / "alone", 1)
    assert alone[0] == 0, alone[1]
    folder = tmp_path / "together"
    ended = run(data, folder, 2, "stop")
    assert [code for code, _ in ended] == [PREEMPTED, PREEMPTED], ended
    done = len(losses(folder))
    assert 5 <= done < 20
    assert all(f"stopped after step {done}" in text for _, text in ended)
    assert "parameters; 60 examples" in ended[0][1]
    assert "parameters; 60 examples" not in ended[1][1]
    (code, text) = run(data, folder, 1)[0]
    assert code == 0, text
    assert len(losses(folder)) == 20
    np.testing.assert_allclose(losses(folder), losses(tmp_path / "alone"), rtol=1e-5)


@pytest.mark.slow
def test_two_processes_finish_with_one_model_and_refuse_together(data: str, tmp_path: Path) -> None:
    folder = tmp_path / "together"
    assert [code for code, _ in run(data, folder, 2)] == [0, 0]
    assert (folder / "model.safetensors").exists() and (folder / "COMPLETE").exists()
    (folder / "settings.json").write_text('{"command": "other"}')
    refused = run(data, folder, 2)
    assert all(code == 1 and "UserError" in text for code, text in refused)
    assert "was made with" in refused[0][1]
    assert "refused to process 0" in refused[1][1]
