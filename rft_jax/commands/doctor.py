"""`rft doctor`: what this machine has, which packages are missing for which command."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterable
from pathlib import Path

from rft_jax.checkpoints.names import MODELS
from rft_jax.files.mirror import scratch_folder
from rft_jax.installation import extras, how_to_install, missing, requirements, versions
from rft_jax.pipeline.supervise.environment import compilation_cache
from rft_jax.verify.programs.stdlib.modules import MODULES
from rft_jax.verify.sandbox.check import sandbox_fault
from rft_jax.workers.pool import cpu_cores

_GIB = 2**30
# Extra -> the commands or inputs that need it.
_NEEDED_FOR = {
    "data": "rft train --data TASK (seqio), gsm8k:… without $GSM8K_DIR",
    "parquet": "Parquet files of rft export-data",
    "gcs": "gs://… as inputs and outputs",
    "s3": "s3://… as inputs and outputs",
    "beam": "rft collect on Apache Beam",
    "hf": "parity tests, making SmolLM2's folder from its GGUF",
    "cuda": "NVIDIA GPUs",
    "tpu": "TPUs; rft plan for TPU slices",
    "tensorboard": "metrics and profiles in TensorBoard",
    "notebooks": "the notebooks",
    "dev": "tests and linters",
    "docs": "the documentation as a site",
}


def examine() -> str:
    """A description of this machine: versions, devices, memory, packages, data."""
    sections = {
        "versions": _versions(),
        "devices": _devices(),
        "memory and disk": _space(),
        "extras": _extras(),
        "data and models": _data(),
        "programs (answers = 'program')": _programs(),
    }
    lines: list[str] = []
    for title, content in sections.items():
        lines += [title, *(f"  {line}" for line in content), ""]
    return "\n".join(lines).rstrip()


def _versions() -> Iterable[str]:
    yield ", ".join(f"{name} {version}" for name, version in versions().items())
    yield platform.platform()
    if not requirements():
        yield f"not installed, so its requirements are not known: {how_to_install()}"
    elif names := missing():
        yield f"MISSING: {', '.join(names)}: {how_to_install()}"


def _devices() -> Iterable[str]:
    try:
        import jax

        devices = jax.devices()
    except Exception as error:  # each driver has errors of its own
        yield f"JAX does not start: {str(error).splitlines()[0]}"
        return
    for device in devices:
        limit = (device.memory_stats() or {}).get("bytes_limit")
        memory = f", {limit / _GIB:.1f} GiB" if limit else ""
        yield f"{device.platform}:{device.id} {device.device_kind}{memory}"
    if devices[0].platform == "cpu":
        yield f"{cpu_cores()} CPU cores for this process"
        yield from _unused_accelerators()


def _unused_accelerators() -> Iterable[str]:
    if Path("/dev/nvidia0").exists():
        yield f"there is an NVIDIA GPU that JAX does not see: {how_to_install('cuda')}"
    if Path("/dev/accel0").exists():
        yield f"there is a TPU that JAX does not see: {how_to_install('tpu')}"


def _space() -> Iterable[str]:
    if memory := _memory():
        yield f"memory: {memory['MemAvailable']:.1f} of {memory['MemTotal']:.1f} GiB are free"
    disk = shutil.disk_usage(".")
    yield f"disk here: {disk.free / _GIB:.1f} of {disk.total / _GIB:.1f} GiB are free"
    cache = Path(os.environ.get("JAX_COMPILATION_CACHE_DIR") or compilation_cache())
    caches = {"compiled programs": cache, "copies of remote files": scratch_folder()}
    for what, folder in caches.items():
        size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
        yield f"{what}: {size / 2**20:.0f} MiB in {folder}; to clear them, remove that folder"


def _memory() -> dict[str, float]:
    """The kernel's memory counters in GiB; empty where /proc/meminfo has none."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return {}
    pairs = (line.split(":", 1) for line in lines if line.endswith("kB"))
    return {name: int(value.split()[0]) * 1024 / _GIB for name, value in pairs}


def _extras() -> Iterable[str]:
    for extra in extras():
        names = missing(extra)
        state = f"no {', '.join(names)}: {how_to_install(extra)}" if names else "installed"
        use = f" (for {_NEEDED_FOR[extra]})" if extra in _NEEDED_FOR else ""
        yield f"{extra}: {state}{use}"


def _data() -> Iterable[str]:
    for name, embedded in MODELS.items():
        has_model = (embedded / "config.json").exists()
        yield f"{name}: {'installed' if has_model else f'MISSING in {embedded}'}"
    folder = os.environ.get("GSM8K_DIR")
    if folder is None:
        yield "gsm8k:train|test: $GSM8K_DIR is not set; read from tensorflow-datasets instead"
    else:
        absent = [n for n in ("train.jsonl", "test.jsonl") if not (Path(folder) / n).exists()]
        state = f"no {', '.join(absent)} in {folder}" if absent else f"in {folder}"
        yield f"gsm8k:train|test: {state}"


def _programs() -> Iterable[str]:
    yield f"evaluated, never executed; modules: {', '.join(MODULES)}"
    fault = sandbox_fault()
    yield f"programs = 'sandbox': {f'not here: {fault}' if fault else 'works'}"
