from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def jax_takes_its_default_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plans read the share of a GPU's memory from the environment, which a benchmark sets."""
    monkeypatch.delenv("XLA_PYTHON_CLIENT_MEM_FRACTION", raising=False)
