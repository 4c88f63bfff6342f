"""Children of `rft run`: what they get in their environment, and how they end with their parent."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
from collections.abc import Mapping
from pathlib import Path

ENDS_WITH_PARENT = "RFT_ENDS_WITH_PARENT"


def child_environment(environment: Mapping[str, str], one_thread: bool) -> dict[str, str]:
    """A child's environment variables.

    Compiled programs are kept for the next stage and run (in JAX_COMPILATION_CACHE_DIR).

    Args:
      environment: the parent's; what it says of these things is left as it is.
      one_thread: on a CPU, stages run side by side on a core each: the figures do not depend on
        the number of cores, and two together get more done than each on all cores.
    """
    child = dict(environment)
    child["PYTHONUNBUFFERED"] = "1"
    child.setdefault("JAX_COMPILATION_CACHE_DIR", str(cache_folder(environment)))
    child.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")
    if one_thread:
        flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
        child["XLA_FLAGS"] = f"{child.get('XLA_FLAGS', '')} {flags}".strip()
        child.setdefault("OMP_NUM_THREADS", "1")
        # XLA gets its buffers from malloc anew in every step: without huge pages the kernel's part
        # in a training step of the embedded model is a quarter of its time, with them a twelfth.
        child.setdefault("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1")
    return child


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Where compiled programs lie, apart for each kind of CPU: one's code may crash on another."""
    base = environment.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    features = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    kind = hashlib.sha256(features.encode()).hexdigest()[:8]
    return Path(base) / "rft_jax" / f"jax-{kind}"


def end_with_parent() -> None:
    """In a stage's process: when the parent ends, however it does, it and its workers end too.

    The parent holds the other end of standard input and writes nothing; reading it ends when the
    parent does, even by `kill -9`. Stages can be killed at any moment without harm.
    """
    if os.environ.pop(ENDS_WITH_PARENT, "") == "1":
        threading.Thread(target=_wait_for_the_end, daemon=True).start()


def _wait_for_the_end() -> None:
    while os.read(0, 4096):
        pass
    if os.getpgrp() == os.getpid():  # a group of our own, which the parent made: take all of it
        os.killpg(0, signal.SIGKILL)
    os._exit(1)
