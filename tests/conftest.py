"""Tests run on 8 CPU devices, for all kinds of meshes; set before JAX is imported."""

from __future__ import annotations

import os

from hypothesis import settings

os.environ.setdefault("JAX_PLATFORMS", "cpu")
if "xla_force_host_platform_device_count" not in os.environ.get("XLA_FLAGS", ""):
    os.environ["XLA_FLAGS"] = (
        os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8"
    )

# How long an example takes says what else the machine does, and nothing of what is tested.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
