"""Compares `rft collect` with the paper's script: same samples, same kept paths.

The script's side is the oracle of the tests with `editdistance` (pip install editdistance), as in
the script. Both sides read the samples from disk and write the paths; ours also writes the ledger
and the statistics. Runs are interleaved and medians are compared; the kept paths must be identical.

  python benchmarks/collect.py                      300 problems × 100 samples, half of them correct
  python benchmarks/collect.py --problems 7473 --repeats 1 --peak_memory
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import re
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from rft_jax.files.jsonl import read_rows, write_rows  # noqa: E402
from rft_jax.rft.collect import collect  # noqa: E402
from rft_jax.rft.settings import CollectSettings  # noqa: E402
from tests.rft.paper_script import answer_of, keep_distinct, same_answer  # noqa: E402

_OPENINGS = ("First we find that", "To begin with,", "We know that", "So", "Then", "Now", "Next,")
_THINGS = ("the number of apples", "what she paid", "the total", "the rest", "the distance")
_CLOSINGS = ("in all", "altogether", "by the end of the week", "for every child", "a day", "")


def make_problems(count: int, rng: random.Random) -> Iterator[dict[str, str]]:
    """Problems whose answer is a sum of five numbers."""
    for index in range(count):
        numbers = [rng.randrange(2, 90) for _ in range(5)]
        yield {
            "id": f"bench-train/{index:012x}",
            "question": f"How much is {', '.join(map(str, numbers))} together?",
            "answer": response(numbers, sum(numbers), rng),
        }


def response(numbers: list[int], answer: int, rng: random.Random) -> str:
    """A path of four steps in about 300 characters; the wording and the order vary."""
    lines = []
    total = numbers[0]
    for number in numbers[1:]:
        total += number
        lines.append(
            f"{rng.choice(_OPENINGS)} {rng.choice(_THINGS)} is {total - number} + {number} = "
            f"<<{total - number}+{number}={total}>>{total} {rng.choice(_CLOSINGS)}."
        )
    return "\n".join(lines) + f"\n#### {answer}"


def make_samples(problem: dict[str, str], count: int, rng: random.Random) -> Iterator[dict]:
    """Samples, half of them correct; some orders of the steps are frequent and some rare."""
    numbers = [int(word) for word in problem["question"][12:-10].split(", ")]
    orders = [rng.sample(numbers, len(numbers)) for _ in range(12)]
    weights = [1 / rank for rank in range(1, len(orders) + 1)]
    for index in range(count):
        order = rng.choices(orders, weights)[0]
        answer = sum(numbers) + (rng.randrange(1, 9) if rng.random() < 0.5 else 0)
        text = response(order, answer, rng)
        yield {
            "id": problem["id"],
            "sample": index,
            "model": "bench",
            "seed": 0,
            "response": text,
            "finish_reason": "stop",
            "logprob": -rng.random(),
        }


def write_input(folder: Path, problems: int, samples: int) -> None:
    """Problems and samples, as `rft collect` and as the paper's script read them.

    Samples have no token ids, which neither side needs.
    """
    rng = random.Random(0)
    rows = list(make_problems(problems, rng))
    write_rows(folder / "problems.jsonl", rows)
    (folder / "script").mkdir()
    with ExitStack() as stack:
        seeds = [
            stack.enter_context((folder / "script" / f"{seed:03}.json").open("w"))
            for seed in range(samples)
        ]

        def both() -> Iterator[dict]:
            for row in rows:
                for sample in make_samples(row, samples, rng):
                    pair = [row["question"], sample["response"]]
                    seeds[sample["sample"]].write(json.dumps([pair]) + "\n")
                    yield sample

        write_rows(folder / "samples" / "samples-00000-of-00001.jsonl", both())


def run_script(folder: Path) -> Path:
    """The paper's script: its decisions (the tests' oracle), its files and its passes over them.

    It reads a file per seed, parses every line twice and all reference answers again for each file,
    holds everything in memory, and writes all right and all kept paths, each in two forms.
    """
    import editdistance

    lines = (folder / "problems.jsonl").read_text().splitlines()
    right: dict[int, list[str]] = {index: [] for index in range(len(lines))}
    for path in sorted((folder / "script").glob("*.json")):
        gold = [answer_of(json.loads(line)["answer"]) for line in lines]
        generated = path.read_text().splitlines()
        answers = [answer_of(json.loads(line)[0][1]) for line in generated]
        texts = [json.loads(line)[0][1] for line in generated]
        for index, text in enumerate(texts):
            if same_answer(answers[index], gold[index]):
                right[index].append(text)
    kept = {index: keep_distinct(texts, editdistance.eval, eval) for index, texts in right.items()}
    for name, paths in (("right", right), ("kept", kept)):
        with (folder / f"script-{name}.json").open("w") as file:
            json.dump(paths, file, indent=4)
        with (folder / f"script-{name}.jsonl").open("w") as file:
            for index, texts in paths.items():
                file.write(lines[index] + "\n")
                for text in texts:
                    row = {"query": json.loads(lines[index])["question"], "response": text}
                    file.write(json.dumps(row) + "\n")
    return folder / "script-kept.jsonl"


def run_ours(folder: Path, workers: int, repeat: int) -> Path:
    """`rft collect` with the default settings."""
    output = folder / f"ours-{workers}-{repeat}"
    settings = CollectSettings(workers=workers)
    collect(str(folder / "problems.jsonl"), [str(folder / "samples")], str(output), settings)
    return output / "paths.jsonl"


def kept(path: Path) -> list[tuple[str, str]]:
    """The sampled paths of a file, in order."""
    rows = [row for _, row in read_rows(path)]
    return [
        (row["query"], row["response"])
        for row in rows
        if "question" not in row and row.get("origin") != "human"
    ]


def measure(folder: Path, repeats: int, worker_counts: list[int]) -> dict[str, list[float]]:
    """Seconds of each side, interleaved; the kept paths are compared once."""
    seconds: dict[str, list[float]] = {}
    for repeat in range(repeats):
        paths = {}
        start = time.perf_counter()
        paths["script"] = run_script(folder)
        seconds.setdefault("script", []).append(time.perf_counter() - start)
        for workers in worker_counts:
            start = time.perf_counter()
            paths[f"workers={workers}"] = run_ours(folder, workers, repeat)
            name = f"workers={workers}"
            seconds.setdefault(name, []).append(time.perf_counter() - start)
        expected = kept(paths["script"])
        for name, path in paths.items():
            assert kept(path) == expected, f"{name} keeps other paths"
    return seconds


def peak_memory(folder: Path, workers: int) -> float:
    """Peak MiB of one run of ours: this process and its largest worker."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=_measure_memory, args=(folder, workers, queue))
    process.start()
    result = queue.get()
    process.join()
    return result


def _measure_memory(folder: Path, workers: int, queue: multiprocessing.Queue) -> None:
    run_ours(folder, workers, -1)
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    # ru_maxrss of this process would be that of the process it was forked from, if that is more.
    own = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    queue.put((int(own[1]) + children) / 1024)


def main() -> None:
    """Prints a table and writes JSON if a file is given."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--problems", type=int, default=300)
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2])
    parser.add_argument(
        "--peak_memory", action="store_true", help="also measure our peak memory, in MiB"
    )
    parser.add_argument("--json", type=Path, help="file for the results")
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_input(folder, flags.problems, flags.samples)
        seconds = measure(folder, flags.repeats, flags.workers)
        memory = {
            f"workers={workers}": peak_memory(folder, workers)
            for workers in (flags.workers if flags.peak_memory else [])
        }
    total = flags.problems * flags.samples
    script = statistics.median(seconds["script"])
    rows = [
        {
            "side": name,
            "seconds": statistics.median(times),
            "samples_per_second": total / statistics.median(times),
            "times_the_script": script / statistics.median(times),
            "peak_MiB": memory.get(name),
        }
        for name, times in seconds.items()
    ]
    print(f"{flags.problems} problems × {flags.samples} samples, median of {flags.repeats}")
    for row in rows:
        peak = f"  {row['peak_MiB']:.0f} MiB" if row["peak_MiB"] else ""
        print(
            f"{row['side']:12} {row['seconds']:8.2f} s {row['samples_per_second']:10,.0f} "
            f"samples/s {row['times_the_script']:6.1f}×{peak}"
        )
    if flags.json:
        flags.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
