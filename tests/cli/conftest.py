"""Fixtures for command lines: `rft` runs one, on three problems, a sample and a tiny model."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from rft_jax import cli
from tests.tiny_model import write_tiny_model


@pytest.fixture(autouse=True)
def keep_signal_handlers():
    before = {n: signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def rft(capsys):
    """Runs a command line; returns its exit code and its lines on stderr."""

    def run(*words: object) -> tuple[int, list[str]]:
        capsys.readouterr()
        code = cli.main([str(word) for word in words])
        return code, capsys.readouterr().err.splitlines()

    return run


@pytest.fixture
def problems(tmp_path) -> Path:
    file = tmp_path / "problems.jsonl"
    rows = [
        {"id": name, "question": f"{name} + 1?", "answer": f"<<{name}+1={name + 1}>>\n#### {name}"}
        for name in (1, 2, 3)
    ]
    rows = [row | {"id": str(row["id"])} for row in rows]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


@pytest.fixture
def samples(tmp_path) -> Path:
    file = tmp_path / "samples.jsonl"
    row = {"id": "1", "sample": 0, "model": "m", "seed": 0, "response": "<<0+1=1>>\n#### 1"}
    file.write_text(json.dumps(row) + "\n")
    return file


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("tiny") / "model")
