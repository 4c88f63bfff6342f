"""A tiny model and problems, on disk, for the tests of runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from rft_jax.files.jsonl import write_rows
from tests.tiny_model import write_tiny_model


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random `model` of at most 128 tokens and 30 `problems.jsonl`."""
    folder = tmp_path_factory.mktemp("sampling")
    write_tiny_model(folder / "model", intermediate_size=24, max_position_embeddings=128)
    rows = [
        {"id": f"p{i}", "question": f"Amy has {i} apples.", "answer": "#### 1"} for i in range(30)
    ]
    write_rows(folder / "problems.jsonl", rows)
    return folder
