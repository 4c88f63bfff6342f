"""Sampling: `Sampler` for prompts at hand, `sample` for a file of problems (`rft sample`)."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rft_jax.sampling.run import sample
    from rft_jax.sampling.sampler import Sampler

__all__ = ["Sampler", "sample"]

_HOMES = {"Sampler": "sampler", "sample": "run"}


def __getattr__(name: str) -> Any:
    """Imported at first use, so that settings can be read without JAX."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
