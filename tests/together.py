"""Starts one command as several processes of four CPU devices that find each other."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence

RFT = (sys.executable, "-m", "rft_jax.cli")


def start(
    words: Sequence[str], processes: int, devices: int = 4, more: Mapping[str, str] | None = None
) -> list[subprocess.Popen[str]]:
    """The processes, in order; a single process gets no cluster variables."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"} | dict(more or {})
    environment |= {"JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": str(devices)}
    started = []
    for number in range(processes):
        own = {
            "JAX_COORDINATOR_ADDRESS": f"127.0.0.1:{port}",
            "JAX_NUM_PROCESSES": str(processes),
            "JAX_PROCESS_ID": str(number),
        }
        started.append(
            subprocess.Popen(
                [*RFT, *words],
                env=environment | (own if processes > 1 else {}),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    return started


def finish(started: Sequence[subprocess.Popen[str]]) -> list[tuple[int, str]]:
    """Exit code and output of each process."""
    texts = [process.communicate(timeout=600)[0] for process in started]
    return [(process.returncode, text) for process, text in zip(started, texts, strict=True)]
