"""A mark for tests that execute programs in a sandbox, which not every kernel allows."""

from __future__ import annotations

import pytest

from rft_jax.verify.sandbox.check import sandbox_fault

_FAULT = sandbox_fault()
needs_sandbox = pytest.mark.skipif(bool(_FAULT), reason=f"no sandbox here: {_FAULT}")
