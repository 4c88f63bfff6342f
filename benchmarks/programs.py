"""Programs per second through `rft collect`'s pool, against a process for every program.

The same programs, in one run: graded and collected by the pool from a samples file, and executed by
`python FILE`, one process each; per second, and per CPU second, which the load of the machine
changes less. Then each resource-exhaustion program of the tests: CPU time of
its evaluation, and the peak of what Python allocated (measured apart, as that slows it down).

  python benchmarks/programs.py
  python benchmarks/programs.py --problems 50 --samples 20 --processes 20 --output out.json
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from rft_jax.files.jsonl import read_json, write_rows  # noqa: E402
from rft_jax.rft.collect import collect  # noqa: E402
from rft_jax.rft.settings import CollectSettings  # noqa: E402
from rft_jax.verify.programs.run import evaluate_program  # noqa: E402
from rft_jax.verify.programs.source import read_program  # noqa: E402
from rft_jax.workers.pool import cpu_cores  # noqa: E402
from tests.verify.programs.limits_test import EXHAUSTING  # noqa: E402


class Speed(NamedTuple):
    """Programs per second of the clock, and per CPU second of all processes together."""

    a_second: float
    a_cpu_second: float


_MILLISECONDS, _MEGABYTES = 50.0, 32.0  # what one resource-exhaustion program may take
_NAMES = ("apples", "pears", "boxes", "days", "price", "total", "left", "paid", "miles", "hours")


def make_program(rng: random.Random) -> tuple[str, int]:
    """A program of six to ten lines in one of four styles, and what it prints."""
    a, b, c = rng.randrange(20, 90), rng.randrange(2, 9), rng.randrange(2, 20)
    x, y, z, w = rng.sample(_NAMES, 4)
    steps = f"{x} = {a}\n{y} = {x} * {b}\n{z} = {y} - {c}\n{w} = {z} + {x}"
    if rng.random() < 0.3:
        steps = f"# {x} and {y}\n{steps}"
    inner = steps.replace("\n", "\n    ")
    styles = (
        f"{steps}\nprint({w})",
        f"def solution():\n    '''How many {w} are there?'''\n    {inner}\n    return {w}\n"
        "print(solution())",
        f"So we compute it.\n\n```python\n{steps}\nresult = {w}\nprint(result)\n```\nThat is it.",
        f"{steps}\ncount = 0\nfor i in range({c}):\n    count += i\n"
        f"if count < 0:\n    {w} = 0\nprint(f'{{{w}}}')",
    )
    return rng.choice(styles), a * b - c + a


def _write(folder: Path, problems: int, samples: int) -> list[str]:
    """Problems and samples, half of them correct; returns the programs."""
    rng = random.Random(0)
    asked, rows, programs = [], [], []
    for number in range(problems):
        made = [make_program(rng) for _ in range(samples)]
        answer = made[0][1]
        asked.append({"id": f"p{number}", "question": "?", "answer": f"#### {answer}"})
        for index, (program, printed) in enumerate(made):
            is_correct = rng.random() < 0.5 and "print(f'" not in program
            text = program.replace("print(", f"print({answer - printed} + ", is_correct)
            rows.append(
                {"id": f"p{number}", "sample": index, "model": "m", "seed": 0, "response": text}
                | {"finish_reason": "stop", "logprob": -1.0}
            )
            programs.append(text)
    write_rows(folder / "problems.jsonl", asked)
    write_rows(folder / "samples.jsonl", rows)
    return programs


def _collect(folder: Path, programs: int, workers: int) -> Speed:
    settings = CollectSettings(answers="program", workers=workers, select="first")
    output = folder / f"out-{workers}-{time.monotonic_ns()}"
    files = str(folder / "problems.jsonl"), [str(folder / "samples.jsonl")], str(output)
    speed = _speed(programs, lambda: collect(*files, settings))
    assert read_json(output / "stats.json")["programs"]["samples"] == programs
    return speed


def _execute(folder: Path, programs: Sequence[str]) -> Speed:
    """A process for every program."""

    def execute() -> None:
        for program in programs:
            (folder / "program.py").write_text(read_program(program))
            words = [sys.executable, "-I", "-S", str(folder / "program.py")]
            subprocess.run(words, capture_output=True, check=True, timeout=600)

    return _speed(len(programs), execute)


def _speed(programs: int, work: Callable[[], None]) -> Speed:
    begin, cpu = time.perf_counter(), _cpu_seconds()
    work()
    return Speed(programs / (time.perf_counter() - begin), programs / (_cpu_seconds() - cpu))


def _cpu_seconds() -> float:
    """Of this process and of those it started that have ended."""
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _exhausting() -> Iterator[dict[str, Any]]:
    for name, source in EXHAUSTING.items():
        times = []
        for _ in range(3):
            begin = time.process_time()
            outcome = evaluate_program(source)
            times.append(1000 * (time.process_time() - begin))
        tracemalloc.start()
        evaluate_program(source)
        peak = tracemalloc.get_traced_memory()[1] / 2**20
        tracemalloc.stop()
        yield {"name": name, "error": outcome.error, "ms": min(times), "mib": peak}


def measure(problems: int, samples: int, processes: int, repeats: int) -> dict[str, Any]:
    """All of it; the speeds are medians of interleaved runs."""
    cores = cpu_cores()
    speeds: dict[str, list[Speed]] = {"one worker": [], "all cores": [], "process each": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        programs = _write(folder, problems, samples)
        for _ in range(repeats):
            speeds["one worker"].append(_collect(folder, len(programs), 1))
            speeds["all cores"].append(_collect(folder, len(programs), cores))
            speeds["process each"].append(_execute(folder, programs[:processes]))
    medians = {
        name: Speed(*map(statistics.median, zip(*found, strict=True)))
        for name, found in speeds.items()
    }
    pool, apart = medians["one worker"], medians["process each"]
    exhausting = list(_exhausting())
    return {
        "programs": len(programs),
        "cores": cores,
        "speed": {name: speed._asdict() for name, speed in medians.items()},
        "times_a_process": pool.a_cpu_second / apart.a_cpu_second,
        "exhausting": exhausting,
        "slowest_ms": max(row["ms"] for row in exhausting),
        "largest_mib": max(row["mib"] for row in exhausting),
    }


def main() -> None:
    """Prints and writes what was measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--problems", type=int, default=200)
    parser.add_argument("--samples", type=int, default=100, help="programs per problem")
    parser.add_argument("--processes", type=int, default=100, help="programs executed by Python")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", help="JSON file to write")
    flags = parser.parse_args()
    found = measure(flags.problems, flags.samples, flags.processes, flags.repeats)
    for name, speed in found["speed"].items():
        print(f"{name:>12}: {speed['a_second']:9,.0f}/s {speed['a_cpu_second']:9,.0f} a CPU second")
    print(f"one worker is {found['times_a_process']:.0f} times a process for each program (CPU)")
    for row in sorted(found["exhausting"], key=lambda row: -row["ms"])[:10]:
        print(f"{row['ms']:7.1f} ms {row['mib']:6.1f} MiB  {row['error']:>6}  {row['name']}")
    over = [
        row["name"]
        for row in found["exhausting"]
        if row["ms"] > _MILLISECONDS or row["mib"] > _MEGABYTES
    ]
    limits = f"{_MILLISECONDS:.0f} ms and {_MEGABYTES:.0f} MiB"
    print(f"beyond {limits}: {', '.join(over) or 'none'}")
    if flags.output:
        Path(flags.output).write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
