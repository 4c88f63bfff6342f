"""Tests run on 8 CPU devices, for all kinds of meshes, and compile each program once a run.

All of it is set before JAX is imported.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

from tests.run_folders import new_run_folder

os.environ.setdefault("JAX_PLATFORMS", "cpu")
if "xla_force_host_platform_device_count" not in os.environ.get("XLA_FLAGS", ""):
    os.environ["XLA_FLAGS"] = (
        os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8"
    )

# Workers of pytest-xdist and child processes inherit the folder: what one has compiled, all have.
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    compiled = new_run_folder(Path(tempfile.gettempdir()), "rft-compiled-")
    atexit.register(shutil.rmtree, compiled, ignore_errors=True)
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(compiled)
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"

# How long an example takes says what else the machine does, and nothing of what is tested.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is marked `each_change` is slow."""
    for item in items:
        if item.get_closest_marker("each_change"):
            item.add_marker("slow")
