#!/usr/bin/env python3
"""Measures one item on this machine's accelerator within some minutes; run again, it goes on.

  python launch/measure.py gsm8k --minutes 9 --output out      SmolLM2-135M on GSM8K, by `rft run`
  python launch/measure.py sampling --minutes 9 --output out   benchmarks/sampling.py, 135M to 7B
  python launch/measure.py training --minutes 9 --output out   benchmarks/training.py, 1.1B and 7B
  … --tiny                                                     the same in minutes on a CPU

Packages that are missing here, GSM8K and the model come from --bundle (launch/bundle.py), where
there is one; nothing is fetched. Commands run one after the other, the most important first, from
the checkout; when the minutes are over the one under way is asked to save and stop. What was
finished is not done again as long as --work is there. --output gets ITEM.md (commands, seconds,
tables), ITEM.tar.gz (results, reports, logs) and the collected paths; no weights, no samples.
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
from measured_items import ITEMS, ROOT, RUN, Place, Step, hold_out

SAVING = 30  # of the minutes, the last seconds are for saving and the summary
LARGEST = 16 * 2**20  # bytes of a file in --output
_SMALL = 2**20  # bytes of a file in ITEM.tar.gz
_LEFT_OUT = (".safetensors", ".npy", ".gguf")


def prepare(place: Place, bundle: Path, item: str) -> None:
    """Unpacks what the item needs of the bundle, once."""
    place.item.mkdir(parents=True, exist_ok=True)
    if not (bundle / "part-1").is_dir():
        if item == "gsm8k":
            sys.exit(f"{bundle} is no bundle; launch/bundle.py makes one where there is a network")
        return
    install_wheels(bundle, place.work / "site")
    if item != "gsm8k":
        return
    if not (place.work / "model.gguf").exists():
        join_gguf(bundle, place.work / "model.gguf")
    folder = place.work / "data"
    folder.mkdir(exist_ok=True)
    for split in ("train", "test"):
        text = gzip.decompress((bundle / "part-1" / f"{split}.jsonl.gz").read_bytes())
        (folder / f"{split}.jsonl").write_bytes(text)
    hold_out((folder / "train.jsonl").read_text(encoding="utf-8"), place.item)


@dataclass
class Record:
    """What became of an item's commands, on all visits; kept in steps.json."""

    path: Path
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.path.exists():
            self.steps = json.loads(self.path.read_text())

    def is_done(self, step: Step) -> bool:
        """Whether the same command has ended well."""
        known = self.steps.get(step.name, {})
        return known.get("words") == list(step.words) and known.get("exit") == 0

    def add(self, step: Step, code: int, seconds: float) -> None:
        """Notes an exit code; the seconds of one that goes on are added up."""
        known = self.steps.get(step.name, {})
        before = known.get("seconds", 0.0) if known.get("words") == list(step.words) else 0.0
        row = {"words": list(step.words), "exit": code, "seconds": round(before + seconds, 1)}
        self.steps[step.name] = row
        self.path.write_text(json.dumps(self.steps, indent=1) + "\n")


def carry_out(steps: Iterator[Step], place: Place, end: float) -> bool:
    """Runs what is not done until `end` (as time.monotonic has it); whether all of it is done."""
    record, all_done = Record(place.item / "steps.json"), True
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
        code = run_step(step, place, seconds)
        record.add(step, code, time.monotonic() - began)
        print(f"{step.name}: exit {code} after {time.monotonic() - began:.0f} s", flush=True)
        all_done &= code == 0
    return all_done


def run_step(step: Step, place: Place, seconds: float) -> int:
    """Its exit code; what it prints is shown and kept in a log. Stopped when its time is over."""
    with (place.item / f"{step.name}.log").open("a", encoding="utf-8") as log:
        process = subprocess.Popen(
            [sys.executable, *step.words],
            cwd=ROOT,
            env=place.environment,
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
            process.terminate()  # one that has ended is left alone
            code = process.wait()
    return code


def summarise(item: str, place: Place, output: Path) -> None:
    """Writes what is worth keeping into `output`, in few and small files."""
    output.mkdir(parents=True, exist_ok=True)
    summary, packed = output / f"{item}.md", output / f"{item}.tar.gz"
    summary.write_text(summary_text(item, place), encoding="utf-8")
    with tarfile.open(packed, "w:gz") as archive:
        for path in sorted(place.item.rglob("*")):
            name = path.relative_to(place.item)
            if path.is_file() and path.stat().st_size <= _SMALL and is_worth_keeping(name):
                archive.add(path, Path(item) / name)
    written = [summary, packed]
    for paths in sorted(place.item.glob(f"{RUN}/stages/*/paths.jsonl")):
        written.append(output / f"paths-{paths.parent.name}.jsonl.gz")
        with paths.open("rb") as source, gzip.open(written[-1], "wb") as target:
            shutil.copyfileobj(source, target)
    for path in written:
        size = path.stat().st_size
        if size > LARGEST:
            path.unlink()
        print(f"{path}: {size / 2**20:.1f} MB{', left out' if size > LARGEST else ''}", flush=True)


def summary_text(item: str, place: Place) -> str:
    """Every command with its seconds, and its table or the end of its log."""
    steps = Record(place.item / "steps.json").steps
    lines = [f"# {item}", "", "| step | seconds | exit | command |", "|---|---|---|---|"]
    for name, row in steps.items():
        command = f"`python {shlex.join(row['words'])}`"
        lines.append(f"| {name} | {row['seconds']} | {row['exit']} | {command} |")
    for name in steps:
        table = place.item / RUN / name / "report" / "table.md"
        log = (place.item / f"{name}.log").read_text(encoding="utf-8")
        text = table.read_text(encoding="utf-8") if table.exists() else f"```\n{log[-4000:]}```"
        lines += ["", f"## {name}", "", text]
    return "\n".join([*lines, ""])


def is_worth_keeping(name: Path) -> bool:
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
    parser.add_argument("--minutes", type=float, default=60.0, help="for all of it (60)")
    parser.add_argument("--output", type=Path, required=True, help="folder for what is kept")
    parser.add_argument("--work", type=Path, help="folder to work in (runs/measured, …-tiny)")
    parser.add_argument("--bundle", type=Path, default=ROOT / "build" / "offline", help="folder")
    parser.add_argument("--tiny", action="store_true", help="a few problems, a tiny model: a trial")
    parser.add_argument("--dry_run", action="store_true", help="print the commands and stop")
    flags = parser.parse_args()
    work = flags.work or ROOT / "runs" / ("measured-tiny" if flags.tiny else "measured")
    place = Place(work.absolute() / flags.item, work.absolute(), flags.tiny)
    if flags.dry_run:
        for step in ITEMS[flags.item](place):
            print(f"{step.name}: python {shlex.join(step.words)}")
        return 0
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the summary is written all the same
    prepare(place, flags.bundle, flags.item)
    try:
        is_done = carry_out(ITEMS[flags.item](place), place, began + 60 * flags.minutes - SAVING)
    finally:
        summarise(flags.item, place, flags.output)
    return 0 if is_done else 75


if __name__ == "__main__":
    sys.exit(main())
