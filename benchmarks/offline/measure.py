#!/usr/bin/env python3
"""Measures one item on this machine's accelerator within some minutes; run again, it resumes.

  measure.py gsm8k --minutes 9 --output out      SmolLM2-135M on GSM8K, by `rft run`
  measure.py sampling --minutes 9 --output out   benchmarks/sampling.py, 135M to 7B
  measure.py training --minutes 9 --output out   benchmarks/training.py, 1.1B and 7B
  … --tiny                                       a trial of the same in minutes on a CPU

Missing packages, GSM8K and the model come from --bundle (see bundle.py), if there is one; nothing
is downloaded. Commands run one after the other from the checkout, the most important first; when
the minutes are over, the running one is asked to save and stop. Finished commands are not repeated
as long as --work exists. --output gets ITEM.md (commands, seconds, tables), ITEM.tar.gz (results,
reports, logs) and the collected paths; no weights and no samples.
"""

from __future__ import annotations

import argparse
import gzip
import json
import shlex
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bundle import install_wheels, join_gguf
from items import ITEMS, ROOT, RUN, Step, Workspace, hold_out

SAVING = 30  # seconds at the end of the minutes for saving and the summary
LARGEST = 16 * 2**20  # bytes of a file in --output
_SMALL = 2**20  # bytes of a file in ITEM.tar.gz
_LEFT_OUT = (".safetensors", ".npy", ".gguf")


def prepare(workspace: Workspace, bundle: Path, item: str) -> None:
    """Unpacks the bundle's files for the item, once."""
    workspace.item.mkdir(parents=True, exist_ok=True)
    if not (bundle / "part-1").is_dir():
        if item == "gsm8k":
            sys.exit(f"{bundle} is not a bundle; make one with bundle.py on a machine with network")
        return
    install_wheels(bundle, workspace.work / "site")
    if item != "gsm8k":
        return
    if not (workspace.work / "model.gguf").exists():
        join_gguf(bundle, workspace.work / "model.gguf")
    folder = workspace.work / "data"
    folder.mkdir(exist_ok=True)
    for split in ("train", "test"):
        text = gzip.decompress((bundle / "part-1" / f"{split}.jsonl.gz").read_bytes())
        (folder / f"{split}.jsonl").write_bytes(text)
    hold_out((folder / "train.jsonl").read_text(encoding="utf-8"), workspace.item)


@dataclass
class Record:
    """Exit codes and seconds of an item's commands over all calls, in steps.json."""

    path: Path
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.path.exists():
            self.steps = json.loads(self.path.read_text())

    def is_done(self, step: Step) -> bool:
        """Whether the same command has succeeded."""
        known = self.steps.get(step.name, {})
        return known.get("words") == list(step.words) and known.get("exit") == 0

    def add(self, step: Step, code: int, seconds: float) -> None:
        """Records an exit code; the seconds of a resumed command are added up."""
        known = self.steps.get(step.name, {})
        before = known.get("seconds", 0.0) if known.get("words") == list(step.words) else 0.0
        row = {"words": list(step.words), "exit": code, "seconds": round(before + seconds, 1)}
        self.steps[step.name] = row
        self.path.write_text(json.dumps(self.steps, indent=1) + "\n")


def carry_out(steps: Iterator[Step], workspace: Workspace, end: float) -> bool:
    """Runs the unfinished steps until `end` (of time.monotonic); whether all have succeeded."""
    record, all_done = Record(workspace.item / "steps.json"), True
    for step in steps:
        if record.is_done(step):
            print(f"{step.name}: done before", flush=True)
            continue
        seconds = end - time.monotonic()
        if seconds <= 0:
            print(f"{step.name}: no time is left", flush=True)
            return False
        print(f"{step.name}: python {shlex.join(step.words)}", flush=True)
        began = time.monotonic()
        code = run_step(step, workspace, seconds)
        record.add(step, code, time.monotonic() - began)
        print(f"{step.name}: exit {code} after {time.monotonic() - began:.0f} s", flush=True)
        all_done &= code == 0
    return all_done


def run_step(step: Step, workspace: Workspace, seconds: float) -> int:
    """Its exit code; its output is shown and logged. Stopped when its time is over."""
    with (workspace.item / f"{step.name}.log").open("a", encoding="utf-8") as log:
        process = subprocess.Popen(
            [sys.executable, *step.words],
            cwd=ROOT,
            env=workspace.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        timers = [
            threading.Timer(seconds, process.terminate),
            threading.Timer(seconds + SAVING * 2 / 3, process.kill),
        ]
        for timer in timers:
            timer.daemon = True
            timer.start()
        assert process.stdout is not None
        try:
            for line in process.stdout:
                print(line, end="", flush=True)
                log.write(line)
        finally:
            for timer in timers:
                timer.cancel()
            process.terminate()  # does nothing if it has ended
            code = process.wait()
    return code


def summarise(item: str, workspace: Workspace, output: Path) -> None:
    """Writes results, reports and logs into `output`, in a few small files."""
    output.mkdir(parents=True, exist_ok=True)
    summary, packed = output / f"{item}.md", output / f"{item}.tar.gz"
    summary.write_text(summary_text(item, workspace), encoding="utf-8")
    with tarfile.open(packed, "w:gz") as archive:
        for path in sorted(workspace.item.rglob("*")):
            name = path.relative_to(workspace.item)
            if path.is_file() and path.stat().st_size <= _SMALL and is_result(name):
                archive.add(path, Path(item) / name)
    written = [summary, packed]
    for paths in sorted(workspace.item.glob(f"{RUN}/stages/*/paths.jsonl")):
        written.append(output / f"paths-{paths.parent.name}.jsonl.gz")
        with paths.open("rb") as source, gzip.open(written[-1], "wb") as target:
            shutil.copyfileobj(source, target)
    for path in written:
        size = path.stat().st_size
        if size > LARGEST:
            path.unlink()
        print(f"{path}: {size / 2**20:.1f} MB{', left out' if size > LARGEST else ''}", flush=True)


def summary_text(item: str, workspace: Workspace) -> str:
    """Every command with its seconds, and its table or the end of its log."""
    steps = Record(workspace.item / "steps.json").steps
    lines = [f"# {item}", "", "| step | seconds | exit | command |", "|---|---|---|---|"]
    for name, row in steps.items():
        command = f"`python {shlex.join(row['words'])}`"
        lines.append(f"| {name} | {row['seconds']} | {row['exit']} | {command} |")
    for name in steps:
        table = workspace.item / RUN / name / "report" / "table.md"
        log = (workspace.item / f"{name}.log").read_text(encoding="utf-8")
        text = table.read_text(encoding="utf-8") if table.exists() else f"```\n{log[-4000:]}```"
        lines += ["", f"## {name}", "", text]
    return "\n".join([*lines, ""])


def is_result(name: Path) -> bool:
    """Results, reports, settings, logs; not weights, checkpoints, tokens, samples, problems."""
    is_heavy = {"checkpoints", "tokens", "samples", "problems"} & {*name.parts}
    is_data = name.name.startswith(("samples-", "tokenizer")) or name.match("tune-*.jsonl")
    return not (is_heavy or is_data or name.suffix in _LEFT_OUT)


def main() -> int:
    began = time.monotonic()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("item", choices=ITEMS)
    parser.add_argument("--minutes", type=float, default=60.0, help="limit of this call (60)")
    parser.add_argument("--output", type=Path, required=True, help="folder for the results")
    parser.add_argument("--work", type=Path, help="folder to work in (runs/measured, …-tiny)")
    parser.add_argument(
        "--bundle", type=Path, default=ROOT / "build" / "offline", help="made by bundle.py"
    )
    parser.add_argument(
        "--tiny", action="store_true", help="a trial with few problems and a tiny model"
    )
    parser.add_argument("--dry_run", action="store_true", help="print the commands and stop")
    parser.add_argument("--k", type=int, default=100, help="samples per problem of gsm8k (100)")
    flags = parser.parse_args()
    work = flags.work or ROOT / "runs" / ("measured-tiny" if flags.tiny else "measured")
    workspace = Workspace(work.absolute() / flags.item, work.absolute(), flags.k, flags.tiny)
    if flags.dry_run:
        for step in ITEMS[flags.item](workspace):
            print(f"{step.name}: python {shlex.join(step.words)}")
        return 0
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the summary is written
    prepare(workspace, flags.bundle, flags.item)
    try:
        is_done = carry_out(
            ITEMS[flags.item](workspace), workspace, began + 60 * flags.minutes - SAVING
        )
    finally:
        summarise(flags.item, workspace, flags.output)
    return 0 if is_done else 75


if __name__ == "__main__":
    sys.exit(main())
