"""A synthetic run on disk in the form that `rft run` writes, generated from a seed."""

from __future__ import annotations

import contextlib
import io
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rft_jax.evaluation.against import read_scores
from rft_jax.evaluation.compare import Scores, compare, decided_shares, with_holm
from rft_jax.evaluation.intervals import mean_with_ci
from rft_jax.evaluation.trainings import over_trainings
from rft_jax.files.jsonl import write_json, write_rows
from rft_jax.rft.collect import collect
from rft_jax.rft.settings import CollectSettings

SHARES = {"rho": 0.25, "sft": 0.48, "sft_steps": 0.46, "rft_no_dedup": 0.55, "rft": 0.58}
NAMES_OF_ARMS = {
    "rho": "Pretrained (ρ)",
    "sft": "SFT",
    "sft_steps": "SFT, step-matched to RFT",
    "rft": "RFT",
    "rft_no_dedup": "RFT without dedup",
}
PLOT = {
    "name": "accuracy",
    "title": "Accuracy against k",
    "x": "samples",
    "y": "accuracy",
    "x_label": "samples per problem (k)",
    "y_label": "",
    "log_x": True,
    "fit": True,
    "paper": "rft_k",
    "series": [
        {
            "label": "RFT",
            "points": [{"x": 4**i, "value": 0.5 + i / 20, "ci95": [0.4, 0.7]} for i in range(4)],
            "fit": {
                "slope": 0.025,
                "intercept": 0.5,
                "r2": 1.0,
                "n": 4,
                "by_seed": [0.02, 0.03],
                "method": {"trainings": 2, "ci95": [0.015, 0.035], "ci95_t": [0.02, 0.03]},
                "ci95_questions": [0.01, 0.04],
            },
        }
    ],
    "baselines": [{"label": "SFT", "x": None, "value": 0.48}],
}
HOSTILE = '<script>alert("x")</script><img src=x onerror=alert(1)>\u0000\ud800 & "quoted"'
NAMES = ("Ada", "Bo", "Cy", "Di")


def _answer(name: str, a: int, b: int, c: int) -> tuple[str, str]:
    question = f"{name} has {a} plums, buys {b} more and gives {c} away. How many are left?"
    path = (
        f"{name} has {a} + {b} = <<{a}+{b}={a + b}>>{a + b} plums at first.\n"
        f"Then {a + b} - {c} = <<{a + b}-{c}={a + b - c}>>{a + b - c} are left.\n"
        f"#### {a + b - c}"
    )
    return question, path


def _problems(n: int, split: str) -> list[dict[str, str]]:
    rng = np.random.default_rng(n)
    rows = []
    for i in range(n):
        a, b, c = (int(v) for v in rng.integers(2, 60, 3))
        question, path = _answer(NAMES[i % 4], a + c, b, c)
        rows.append({"id": f"{split}/{i}", "question": question, "answer": path})
    return rows


def _response(path: str, rng: np.random.Generator) -> tuple[str, str]:
    """A response of some kind, and its finish reason."""
    swapped = re.sub(r"<<(\d+)\+(\d+)=", r"<<\2+\1=", path)
    kinds = [
        path,
        swapped,
        "In other words: <<1+1=2>>2. " + path,
        path.rsplit("#### ", 1)[0] + "#### 9999",
        "One sees <<3+4=8>>8 first. " + path,
        "Some <<x+=>>things. " + path,
        "I do not know. " + HOSTILE,
        "and then " * 60,
    ]
    kind = rng.choice(len(kinds), p=[0.2, 0.15, 0.1, 0.25, 0.1, 0.1, 0.05, 0.05])
    return kinds[kind], "length" if kind == 7 else "stop"


def _write_samples(folder: Path, model: str, problems: list[Any], k: int) -> None:
    rng = np.random.default_rng(sum(map(ord, model)))
    samples = []
    for problem in problems:
        for i in range(k):
            response, finish = _response(problem["answer"], rng)
            row = {"id": problem["id"], "sample": i, "model": model, "seed": 0}
            samples.append({**row, "response": response, "finish_reason": finish})
    write_rows(folder / "samples-00000-of-00001.jsonl", samples)
    write_json(folder / "settings.json", {"temperature": 0.7, "num_samples": k})
    write_json(folder / "COMPLETE", {})


def _collect(root: Path, samples: str, output: str) -> None:
    """As a run does it: from inside its folder, with paths of its own."""
    with contextlib.chdir(root), contextlib.redirect_stdout(io.StringIO()):
        collect("problems.jsonl", [samples], output, CollectSettings(workers=1))


def _write_training(folder: Path, seed: int, floor: float) -> None:
    rng = np.random.default_rng(seed)
    rows = [
        {
            "step": step,
            "loss": floor + 1.5 * math.exp(-step / 60) + 0.05 * rng.normal(),
            "learning_rate": 1e-3 * (1 - step / 300),
        }
        for step in range(1, 301)
    ]
    write_rows(folder / "metrics.jsonl", rows)
    write_json(folder / "settings.json", {"learning_rate": 1e-3, "seed": seed})


def _write_evaluation(folder: Path, problems: list[Any], share: float, seed: int) -> Any:
    rng = np.random.default_rng(seed)
    rows, samples = [], []
    for problem in problems:
        right = bool(rng.random() < share)
        answer = problem["answer"].rsplit(" ", 1)[1]
        response = problem["answer"] if right else f"Seven. {HOSTILE}\n#### 7"
        samples.append({"id": problem["id"], "sample": 0, "model": "m", "response": response})
        rows.append(
            {
                "id": problem["id"],
                "reference": answer,
                "answers": [answer if right else "7"],
                "correct": [right],
                "votes": {},
                "maj@k": float(right),
                "pass@k": float(right),
                "steps": 2 + len(problem["question"]) % 3,
                "words": 20 + int(rng.integers(20)),
            }
        )
    accuracy = mean_with_ci([row["correct"][0] for row in rows])
    write_rows(folder / "predictions.jsonl", rows)
    write_rows(folder / "samples" / "samples-00000-of-00001.jsonl", samples)
    write_json(folder / "settings.json", {"problems": "tests.jsonl 0123456789abcdef"})
    write_json(
        folder / "metrics.json", {"model": "m", "n": len(rows), "k": 1, "accuracy": accuracy}
    )
    return accuracy


def _write_votes(folder: Path, k: int) -> None:
    """An evaluation by several samples a problem."""
    low, high = ({"value": v, "ci95": [v - 0.02, v + 0.02], "n": 200} for v in (0.5, 0.6))
    curve = [
        {"k": n, "maj@k": low_or_high, "pass@k": high} for n, low_or_high in ((1, low), (k, high))
    ]
    metrics = {"n": 200, "k": k, "mean@1": low, "maj@k": high, "pass@k": high, "curve": curve}
    write_json(folder / "metrics.json", metrics)


class FakeRun:
    """A run's folder in the making.

    Args:
      k: samples a problem.
    """

    def __init__(self, folder: Path, k: int, problems: int, tests: int) -> None:
        self.folder, self.k = folder, k
        self.train, self.test = _problems(problems, "train"), _problems(tests, "test")
        self.stages: dict[str, Any] = {}
        self.rows: list[dict[str, Any]] = []
        self.evaluations: dict[str, list[Path]] = {}
        wrong = {**self.train[3], "answer": "<<1+1=2>>2\n#### 4321"}
        write_rows(folder / "problems" / "tests.jsonl", self.test)
        write_rows(folder / "problems.jsonl", [*self.train[:3], wrong, *self.train[4:]])

    def stage(self, arm: str, seed: int, command: str, label: str = "") -> Path:
        """A new stage's folder."""
        at = f"stages/{arm}-{seed}-{label or command}"
        described = {"folder": at, "command": command, "seed": seed, "arm": arm}
        described["typed"] = f"rft {command} --model m --output {at}"
        self.stages[f"{arm}-{seed} {label or command}"] = described
        return self.folder / at

    def add(self, arm: str, seed: int, index: int) -> None:
        """An arm of one seed: its stages and its row of results."""
        if arm != "rho":
            _write_training(self.stage(arm, seed, "train"), seed, 0.3 - 0.03 * index)
        if arm == "sft":
            _write_samples(self.stage(arm, seed, "sample"), f"sft-{seed}", self.train, self.k)
        if arm == "rft":
            at = self.stage(arm, seed, "collect").relative_to(self.folder)
            _collect(self.folder, f"stages/sft-{seed}-sample", str(at))
            _write_votes(self.stage(arm, seed, "evaluate", "vote"), self.k)
        at = self.stage(arm, seed, "evaluate")
        accuracy = _write_evaluation(at, self.test, SHARES[arm], 10 * seed + index)
        self.evaluations.setdefault(arm, []).append(at)
        row = {"model": arm, "seed": seed, "train_rows": 1000 * index, "accuracy": accuracy}
        row["distinct_paths_per_problem"] = 2.54 if arm == "rft" else None
        self.rows.append(row | {"maj@k": None, "pass@k": None, "k": None})

    def _scores(self, arm: str) -> dict[int, Scores]:
        return {seed: read_scores(at) for seed, at in enumerate(self.evaluations[arm])}

    def _condition(self, arm: str) -> dict[str, Any]:
        shares = np.array(decided_shares([*self._scores(arm).values()]), float)
        named = {"model": arm, "label": NAMES_OF_ARMS[arm], "trainings": len(shares)}
        method = over_trainings(shares, 0.0, 1.0, resamples=500)
        return {**named, **mean_with_ci(shares.mean(0)), "method": method}

    def finish(self, seeds: tuple[int, ...]) -> Path:
        """Writes what stands beside the stages, which are finished then."""
        for at in self.stages.values():
            write_json(self.folder / at["folder"] / "COMPLETE", {})
        comparisons = []
        for b in ("sft", "sft_steps", "rft_no_dedup"):
            pairs = [self._scores("rft"), self._scores(b)]
            comparisons.append({"a": "rft", "b": b, **compare(*pairs, resamples=500)})
        conditions = [self._condition(arm) for arm in SHARES]
        results = {"problems": {"test": "plums:test"}, "rows": self.rows, "conditions": conditions}
        results |= {"comparisons": with_holm(comparisons), "figures": [PLOT]}
        cost = {"tokens": 1e5, "flops": 2e11, "paper_flops": 1e11, "seconds": 12.3}
        stages = [{"stage": name, **at, **cost} for name, at in self.stages.items()]
        write_json(self.folder / "costs.json", {"stages": stages})
        write_json(self.folder / "results.json", results)
        write_json(self.folder / "timing.json", {"stages": dict.fromkeys(self.stages, 12.3)})
        described = {
            "stages": self.stages,
            "arms": NAMES_OF_ARMS,
            "settings": {"model": "", "seeds": list(seeds), "train": {"learning_rate": 1e-3}},
            "versions": {"python": "3.11", "jax": "0.10.2"},
            "notes": f"The pretrained model has seen none of these problems. {HOSTILE[:50]}",
        }
        write_json(self.folder / "run.json", described)
        return self.folder


def write_run(folder: Path, seeds: tuple[int, ...], k: int, problems: int, tests: int) -> Path:
    """The whole run; also for looking at by hand."""
    run = FakeRun(folder, k, problems, tests)
    for seed in seeds:
        for index, arm in enumerate(SHARES):
            run.add(arm, seed, index)
    return run.finish(seeds)


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """Writes a run: `make_run(name, seeds=…, k=…, problems=…, tests=…)` returns its folder."""

    def make(
        name: str = "run",
        seeds: tuple[int, ...] = (0,),
        k: int = 8,
        problems: int = 30,
        tests: int = 200,
    ) -> Path:
        return write_run(tmp_path / name, seeds, k, problems, tests)

    return make
