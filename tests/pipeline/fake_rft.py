"""Stands for `rft` in tests of the pipeline: leaves at once what the real command would.

FAKE_FAIL names a stage folder's beginning that fails (exit 3), FAKE_MISTAKE one that exits with 2,
FAKE_HANG one that waits for SIGTERM and then exits with 75; with FAKE_ON, a host's number, only
there. FAKE_TRACE is a file for events; with FAKE_MEET the first stage that starts waits there for a
second one. One of several processes of a stage waits there for the others, as JAX does.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

QUESTIONS = ("a", "b", "c", "d")
# The number of questions that each condition solves.
CORRECT = {"rho": 0, "sft": 1, "sft_steps": 1, "rft": 3, "rft_no_dedup": 2, "rft_oracle": 2}


def write(folder: Path, name: str, rows: list[dict]) -> None:
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))


def train(folder: Path, flags: dict[str, str]) -> None:
    examples = Path(flags["--data"]).read_text().count("\n")
    steps = int(flags.get("--gin.train.num_steps", examples))
    write(folder, "metrics.jsonl", [{"step": i + 1, "loss": 1.0} for i in range(steps)])
    (folder / "data.json").write_text(json.dumps({"examples": examples, "dropped": 0}))


def policy(folder: Path, flags: dict[str, str]) -> None:
    steps = range(int(flags["--gin.policy.num_steps"]))
    write(folder, "metrics.jsonl", [{"step": i + 1, "samples": 8, "loss": 0.0} for i in steps])


def paths(folder: Path, flags: dict[str, str]) -> None:
    rows = []
    for problem in map(json.loads, Path(flags["--problems"]).read_text().splitlines()):
        path = {"id": problem["id"], "query": problem["question"], "response": "r"}
        rows.append(path | {"origin": "human", "models": [], "equations": ["1+1=2"]})
        rows.append(path | {"origin": "sampled", "models": ["m"], "equations": ["2=1+1"]})
    write(folder, "paths.jsonl", rows)
    if "-test-paths-" in folder.name:
        by_paths = {"0": 2, "1": 2}
        stats = {
            "problems": 4,
            "sampled_problems": 3,
            "paths": {"problems_by_sampled": by_paths},
        }
        (folder / "stats.json").write_text(json.dumps(stats))


def derive(folder: Path, flags: dict[str, str]) -> None:
    if flags["--kind"] in ("oracle", "most_likely", "random", "human", "unverified"):
        paths(folder, flags)
    else:
        rows = [{"id": q, "question": f"{q}?", "answer": "#### 2"} for q in QUESTIONS]
        write(folder, "problems.jsonl", rows)


def evaluate(folder: Path, _flags: dict[str, str]) -> None:
    right = CORRECT.get(folder.name.split("-")[0], 2)
    metric = {"value": right / 4, "ci95": [0.0, 1.0], "n": 4}
    metrics = {"n": 4, "k": 1, "accuracy": metric, "maj@k": metric, "pass@k": metric}
    if "-vote-" in folder.name:
        metrics["curve"] = [{"k": k, "maj@k": metric, "pass@k": metric} for k in (1, 8)]
    (folder / "metrics.json").write_text(json.dumps(metrics))
    rows = [
        {"id": q, "correct": [i < right], "steps": 1, "words": i, "reference": "1"}
        for i, q in enumerate(QUESTIONS)
    ]
    write(folder, "predictions.jsonl", rows)


def trace(event: str, folder: Path) -> None:
    if file := os.environ.get("FAKE_TRACE"):
        with open(file, "a") as stream:
            stream.write(f"{event} {folder.name} {os.getpid()}\n")


def wait_for_starts(of: str, count: int) -> None:
    deadline = time.monotonic() + 60
    while Path(os.environ["FAKE_TRACE"]).read_text().count(f"start {of}") < count:
        if time.monotonic() > deadline:
            sys.exit("the others did not start")
        time.sleep(0.02)


def is_named(variable: str, folder: Path) -> bool:
    if "FAKE_ON" in os.environ and os.environ["FAKE_ON"] != os.environ.get("JAX_PROCESS_ID"):
        return False
    return variable in os.environ and folder.name.startswith(os.environ[variable])


def main() -> int:
    command, *words = sys.argv[1:]
    if command == "report":
        return 0
    flags: dict[str, str] = {}
    while words:
        name, equals, value = words.pop(0).partition("=")
        flags[name] = value if equals else words.pop(0)
    folder = Path(flags["--output"])
    folder.mkdir(parents=True, exist_ok=True)
    trace("start", folder)
    if "FAKE_MEET" in os.environ:
        wait_for_starts("", 2)
    wait_for_starts(folder.name, int(os.environ.get("JAX_NUM_PROCESSES", "0")))
    print(f"{command}: 1/2 things  ETA 0:01", flush=True)
    if is_named("FAKE_HANG", folder):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(75))
        trace("hangs", folder)
        time.sleep(60)
    if is_named("FAKE_FAIL", folder):
        print("something broke", flush=True)
        return 3
    if is_named("FAKE_MISTAKE", folder):
        print("rft: data.jsonl:3: not JSON; fix or remove the line", file=sys.stderr, flush=True)
        return 2
    made = {"train": train, "collect": paths, "derive": derive, "evaluate": evaluate}
    made["policy"] = policy
    if command in made:
        made[command](folder, flags)
    (folder / "COMPLETE").write_text("{}")
    trace("end", folder)
    return 0


if __name__ == "__main__":
    from rft_jax.pipeline.supervise.environment import end_with_parent

    end_with_parent()
    sys.exit(main())
