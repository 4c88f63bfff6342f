"""A tiny model and problems, on disk, for the tests of runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import jax
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


@pytest.fixture(scope="module")
def optimized() -> Iterator[None]:
    """Programs compiled as users' are, in `make test` too: which bits are equal depends on that."""
    name = "jax_disable_most_optimizations"
    before = jax.config.read(name)
    jax.config.update(name, False)
    jax.clear_caches()
    yield
    jax.config.update(name, before)
    jax.clear_caches()
