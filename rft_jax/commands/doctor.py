"""`rft doctor`: what this machine has, what is missing for which command, and how to get it."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import rft_jax
from rft_jax.checkpoints.names import EMBEDDED_FOLDER
from rft_jax.files.mirror import scratch_folder
from rft_jax.pipeline.supervise.environment import cache_folder, cpu_cores

_GB = 1e9
_CORE = (
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "orbax-checkpoint",
    "numpy",
    "fsspec",
    "gin-config",
    "tokenizers",
    "sentencepiece",
    "safetensors",
    "sympy",
    "math-verify",
    "rapidfuzz",
    "tensorboardX",
    "matplotlib",
    "rich",
)


@dataclass(frozen=True)
class Extra:
    """An optional part of the installation.

    Attributes:
      modules: what has to be importable.
      needed_for: which commands or inputs.
    """

    modules: tuple[str, ...]
    needed_for: str


EXTRAS = {
    "data": Extra(
        ("seqio", "tensorflow", "tensorflow_text", "tensorflow_datasets"),
        "rft train --data TASK (seqio), gsm8k:… without $GSM8K_DIR",
    ),
    "gcs": Extra(("gcsfs",), "gs://… as inputs and outputs"),
    "s3": Extra(("s3fs",), "s3://… as inputs and outputs"),
    "beam": Extra(("apache_beam",), "rft collect on Apache Beam"),
    "hf": Extra(("torch", "transformers"), "parity tests, making SmolLM2's folder from its GGUF"),
}


def examine() -> str:
    """Everything about this machine that decides what can run, as text."""
    sections = {
        "versions": _versions(),
        "devices": _devices(),
        "memory and disk": _space(),
        "optional parts": _extras(),
        "data and models": _data(),
    }
    lines: list[str] = []
    for title, content in sections.items():
        lines += [title, *(f"  {line}" for line in content), ""]
    return "\n".join(lines).rstrip()


def _versions() -> Iterable[str]:
    yield f"rft_jax {rft_jax.__version__}, Python {platform.python_version()}"
    yield platform.platform()
    missing, found = [], []
    for name in _CORE:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(name)
    yield ", ".join(found)
    if missing:
        yield f"MISSING: {', '.join(missing)}: pip install rft-jax"


def _devices() -> Iterable[str]:
    try:
        import jax

        devices = jax.devices()
    except Exception as error:  # JAX fails in as many ways as there are drivers
        yield f"JAX does not start: {str(error).splitlines()[0]}"
        return
    for device in devices:
        limit = (device.memory_stats() or {}).get("bytes_limit")
        memory = f", {limit / _GB:.1f} GB" if limit else ""
        yield f"{device.platform}:{device.id} {device.device_kind}{memory}"
    if devices[0].platform == "cpu":
        yield f"{cpu_cores()} CPU cores for this process"
        yield from _unused_accelerators()


def _unused_accelerators() -> Iterable[str]:
    if Path("/dev/nvidia0").exists():
        yield "there is an NVIDIA GPU that JAX does not see: pip install 'rft-jax[cuda]'"
    if Path("/dev/accel0").exists():
        yield "there is a TPU that JAX does not see: pip install 'rft-jax[tpu]'"


def _space() -> Iterable[str]:
    if memory := _memory():
        yield f"memory: {memory['MemAvailable']:.1f} of {memory['MemTotal']:.1f} GB are free"
    disk = shutil.disk_usage(".")
    yield f"disk here: {disk.free / _GB:.1f} of {disk.total / _GB:.1f} GB are free"
    cache = Path(os.environ.get("JAX_COMPILATION_CACHE_DIR") or cache_folder(os.environ))
    kept = {"compiled programs": cache, "copies of remote files": scratch_folder()}
    for what, folder in kept.items():
        size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
        yield f"{what}: {size / 1e6:.0f} MB in {folder}; to clear them, remove that folder"


def _memory() -> dict[str, float]:
    """The kernel's figures in GB; none where it does not give them so."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return {}
    pairs = (line.split(":", 1) for line in lines if line.endswith("kB"))
    return {name: int(value.split()[0]) * 1024 / _GB for name, value in pairs}


def _extras() -> Iterable[str]:
    for name, extra in EXTRAS.items():
        missing = [module for module in extra.modules if not importlib.util.find_spec(module)]
        state = (
            f"no {', '.join(missing)}: pip install 'rft-jax[{name}]'" if missing else "installed"
        )
        yield f"{name}: {state} (for {extra.needed_for})"


def _data() -> Iterable[str]:
    has_model = (EMBEDDED_FOLDER / "config.json").exists()
    yield f"wordproblems:model: {'there' if has_model else f'MISSING in {EMBEDDED_FOLDER}'}"
    folder = os.environ.get("GSM8K_DIR")
    if folder is None:
        yield "gsm8k:train|test: $GSM8K_DIR is not set; comes from tensorflow-datasets then"
    else:
        missing = [n for n in ("train.jsonl", "test.jsonl") if not (Path(folder) / n).exists()]
        state = f"no {', '.join(missing)} in {folder}" if missing else f"in {folder}"
        yield f"gsm8k:train|test: {state}"
