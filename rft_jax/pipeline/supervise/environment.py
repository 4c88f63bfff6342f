"""Child processes of `rft run`: their environment variables, and how they end with their parent."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
from collections.abc import Mapping
from pathlib import Path

from rft_jax.devices.cluster import VARIABLES
from rft_jax.files.digests import cache_folder
from rft_jax.policy import USERS_FOLDER

ENDS_WITH_PARENT = "RFT_ENDS_WITH_PARENT"


def child_environment(environment: Mapping[str, str], one_thread: bool) -> dict[str, str]:
    """A child's environment variables.

    Compiled programs, however small, are kept for the next stage and run (in
    JAX_COMPILATION_CACHE_DIR). A child, which works in the run's folder, finds functions of the
    user's in this process's.

    Args:
      environment: the parent's, whose values take precedence; those by which a run's processes
        find each other are left out.
      one_thread: whether the child computes on one thread: stages run side by side then, a core
        each, so that metrics do not depend on the number of cores.
    """
    child = {name: value for name, value in environment.items() if name not in VARIABLES}
    child["PYTHONUNBUFFERED"] = "1"
    child.setdefault("JAX_COMPILATION_CACHE_DIR", str(compilation_cache()))
    child.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    child.setdefault(USERS_FOLDER, os.getcwd())
    if one_thread:
        flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
        child["XLA_FLAGS"] = f"{child.get('XLA_FLAGS', '')} {flags}".strip()
        child.setdefault("OMP_NUM_THREADS", "1")
        # XLA allocates its buffers in every step: without huge pages the kernel takes a quarter of
        # a training step of the embedded model, with them a twelfth.
        child.setdefault("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1")
    return child


def compilation_cache() -> Path:
    """The folder of compiled programs, one per kind of CPU: code for one may crash on another."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    features = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    kind = hashlib.sha256(features.encode()).hexdigest()[:8]
    return cache_folder() / f"jax-{kind}"


def end_with_parent() -> None:
    """In a child of `rft run`: ends this process and its workers when the parent ends.

    The parent holds the other end of standard input and writes nothing: reading returns when the
    parent ends, even by `kill -9`. Stages can be killed at any moment without harm.
    """
    if os.environ.pop(ENDS_WITH_PARENT, "") == "1":
        threading.Thread(target=_end_after_parent, daemon=True).start()


def _end_after_parent() -> None:
    while os.read(0, 4096):
        pass
    if os.getpgrp() == os.getpid():  # the leader of a process group that the parent created
        os.killpg(0, signal.SIGKILL)
    os._exit(1)
