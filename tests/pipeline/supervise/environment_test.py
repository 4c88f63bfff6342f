"""The environment of a run's children."""

from __future__ import annotations

from pathlib import Path

import pytest

from rft_jax.devices.cluster import ClusterProcess
from rft_jax.pipeline.supervise.environment import child_environment, compilation_cache
from rft_jax.policy import USERS_FOLDER


def test_a_child_does_not_join_the_run_s_own_processes() -> None:
    parent = {"PATH": "/bin", **ClusterProcess("host:1", 2, 1).variables()}
    child = child_environment(parent, one_thread=False)
    assert child["PATH"] == "/bin"
    assert not [name for name in child if name.startswith(("JAX_COORD", "JAX_NUM", "JAX_PROCESS"))]


def test_one_thread_is_added_to_the_flags_of_the_parent() -> None:
    parent = {"XLA_FLAGS": "--a", "OMP_NUM_THREADS": "7"}
    child = child_environment(parent, one_thread=True)
    assert child["XLA_FLAGS"].startswith("--a --xla_cpu_multi_thread_eigen=false ")
    assert child["OMP_NUM_THREADS"] == "7"
    assert "OMP_NUM_THREADS" not in child_environment({}, one_thread=False)


def test_a_child_finds_the_users_functions_where_the_run_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert child_environment({}, one_thread=False)[USERS_FOLDER] == str(tmp_path)


def test_compiled_programs_are_cached_where_the_parent_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    folder = compilation_cache()
    assert folder.parent == Path("/cache/rft_jax")
    assert child_environment({}, False)["JAX_COMPILATION_CACHE_DIR"] == str(folder)
    own = {"JAX_COMPILATION_CACHE_DIR": "/own"}
    assert child_environment(own, False)["JAX_COMPILATION_CACHE_DIR"] == "/own"
