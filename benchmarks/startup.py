"""How long whole commands take to start: seconds, CPU seconds, and where they go.

Each command does one thing (a training step, a sample, a problem) with the embedded model and its
compiled programs in the cache, so nearly all of its time is its beginning. Prints Markdown tables:
`commands`, seconds of each; `phases`, what JAX does in them; `imports`, CPU seconds of packages.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import NamedTuple

from rft_jax.data.sources import load_problems
from rft_jax.files.jsonl import write_rows
from rft_jax.pipeline.supervise.environment import child_environment
from rft_jax.records import to_row

RFT = (sys.executable, "-m", "rft_jax.cli")
MODEL = ("--model", "wordproblems:model")
PARTS = ("commands", "phases", "imports")
COMPUTING = ("train", "sample", "evaluate")
COMMANDS: dict[str, tuple[str, ...]] = {
    "--help": (),
    "run": ("--dry_run",),
    "train": (
        *(*MODEL, "--data", "wordproblems:train", "--gin.train.num_steps=1"),
        *("--gin.train.max_length=144", "--gin.train.batch_size=8", "--gin.train.scan_unroll=4"),
    ),
    "sample": (
        *(*MODEL, "--problems", "one.jsonl"),
        *("--gin.sample.num_samples=1", "--gin.sample.max_new_tokens=96"),
    ),
    "collect": ("--problems", "one.jsonl", "--samples", "warm-sample"),
    "evaluate": (*MODEL, "--problems", "one.jsonl", "--gin.evaluate.max_new_tokens=96"),
}
IMPORTS = (
    ("jax, with NumPy", "", "jax"),
    ("flax", "jax", "flax.linen"),
    ("optax", "jax", "optax"),
    ("orbax", "jax", "orbax.checkpoint"),
    ("scipy.stats", "jax", "scipy.stats"),
    ("torch, where it is installed", "jax", "torch"),
)
"""Name, what is imported before it, and the module."""
PHASES = {
    "tracing": "/jax/core/compile/jaxpr_trace_duration",
    "lowering": "/jax/core/compile/jaxpr_to_mlir_module_duration",
    "programs from the cache, or compiled": "/jax/core/compile/backend_compile_duration",
}
_LISTEN = """
import atexit, json, os, sys, time
from jax import monitoring
spans = []
def note(event, seconds, **_):
    spans.append((event, time.monotonic() - seconds, time.monotonic()))
monitoring.register_event_duration_secs_listener(note)
atexit.register(lambda: json.dump(spans, open(os.environ["SPANS"], "w")))
from rft_jax.cli import main
sys.exit(main(sys.argv[1:]))
"""


class Cost(NamedTuple):
    """Seconds of a process: on the clock, and of all its threads."""

    wall: float
    cpu: float


def main() -> None:
    """Prints the tables that are asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS)
    parser.add_argument("--repeats", type=int, default=3, help="runs of each, after a first one")
    options = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f} when it began")
    if "imports" in options.parts:
        _print_imports(options.repeats)
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder))
        if "commands" in options.parts:
            _print_commands(Path(folder), options.repeats)
        if "phases" in options.parts:
            _print_phases(Path(folder), options.repeats)
    print(f"\nload {os.getloadavg()[0]:.1f} at its end")


def prepare(folder: Path) -> None:
    """The problem that the commands read, and each command once, which fills the cache."""
    write_rows(folder / "one.jsonl", map(to_row, load_problems("wordproblems:test")[:1]))
    for name in COMMANDS:
        run((*RFT, *flags(name, f"warm-{name}")), folder)


def flags(name: str, output: str) -> tuple[str, ...]:
    """A command's name and flags."""
    given = () if name == "--help" else ("--output", output)
    return (name, *COMMANDS[name], *given)


def run(command: Sequence[str], folder: Path, **variables: str) -> Cost:
    """Runs a command in the folder as rft run does, with a cache of its own there.

    Raises:
      SystemExit: it failed; its output is printed.
    """
    own = {"XDG_CACHE_HOME": "cache", "JAX_COMPILATION_CACHE_DIR": "programs"}
    cached = os.environ | {name: str(folder / cache) for name, cache in own.items()}
    environment = child_environment(cached, one_thread=False) | variables
    with (folder / "log").open("w+") as log:
        before = time.monotonic()
        child = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.monotonic() - before
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            log.seek(0)
            raise SystemExit(f"{' '.join(command)}\n{log.read()}")
    return Cost(wall, usage.ru_utime + usage.ru_stime)


def exclusive(spans: Mapping[str, Sequence[tuple[float, float]]]) -> dict[str, float]:
    """Seconds of each kind; where spans overlap, the kind that comes first has them."""
    points = sorted({point for kind in spans.values() for span in kind for point in span})
    seconds = dict.fromkeys(spans, 0.0)
    for begin, end in pairwise(points):
        for kind, found in spans.items():
            if any(low <= begin and end <= high for low, high in found):
                seconds[kind] += end - begin
                break
    return seconds


def _print_commands(folder: Path, repeats: int) -> None:
    print("\n| command | seconds | CPU seconds |\n|---|---:|---:|")
    for name in COMMANDS:
        costs = [run((*RFT, *flags(name, f"{name}-{i}")), folder) for i in range(repeats)]
        wall, cpu = (median(column) for column in zip(*costs, strict=True))
        print(f"| `rft {name}` | {wall:.1f} | {cpu:.1f} |", flush=True)


def _print_phases(folder: Path, repeats: int) -> None:
    print(f"\n| seconds of | {' | '.join(COMPUTING)} |\n|---|{'---:|' * len(COMPUTING)}")
    columns = []
    for name in COMPUTING:
        found = [_phases(name, f"phases-{name}-{i}", folder) for i in range(repeats)]
        columns.append({kind: median(one[kind] for one in found) for kind in PHASES})
    for kind in PHASES:
        print(f"| {kind} | {' | '.join(f'{column[kind]:.1f}' for column in columns)} |")


def _phases(name: str, output: str, folder: Path) -> dict[str, float]:
    spans = folder / "spans.json"
    run((sys.executable, "-c", _LISTEN, *flags(name, output)), folder, SPANS=str(spans))
    found = json.loads(spans.read_text())
    return exclusive(
        {kind: [(a, b) for event, a, b in found if event == at] for kind, at in PHASES.items()}
    )


def _print_imports(repeats: int) -> None:
    print("\n| import | CPU seconds |\n|---|---:|")
    for name, before, module in IMPORTS:
        try:
            alone = _import_seconds(before, repeats)
            print(f"| {name} | {_import_seconds(f'{before}, {module}', repeats) - alone:.2f} |")
        except SystemExit:
            print(f"| {name} | not installed |")


def _import_seconds(modules: str, repeats: int) -> float:
    names = modules.strip(", ")
    code = f"import {names}" if names else ""
    with tempfile.TemporaryDirectory() as folder:
        costs = [run((sys.executable, "-c", code), Path(folder)) for _ in range(repeats + 1)]
    return median(cost.cpu for cost in costs[1:])  # the first reads the files from the disk


if __name__ == "__main__":
    main()
