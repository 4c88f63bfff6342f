"""Problems and samples for tests of `rft evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rft_jax.evaluation.settings import EvaluateSettings
from rft_jax.files.jsonl import write_json, write_rows

SETTINGS = EvaluateSettings(bootstrap_resamples=500)


def write_problems(folder: Path, references: list[int]) -> str:
    """A file of problems with these answers, of one or two steps in turn."""
    rows = [
        {"id": f"q{i}", "question": f"{i}?", "answer": "<<1+1=2>>2 " * (1 + i % 2) + f"#### {n}"}
        for i, n in enumerate(references)
    ]
    write_rows(folder / "problems.jsonl", rows)
    return str(folder / "problems.jsonl")


def write_samples(folder: Path, answers: list[list[Any]], model: str = "m", **more: Any) -> str:
    """A folder with each problem's answers in order; None is a response cut short."""
    rows = [
        {"id": f"q{i}", "sample": j, "model": model, "seed": 0}
        | (
            {"response": "and", "finish_reason": "length"}
            if a is None
            else {"response": f"so #### {a}", "finish_reason": "stop"}
        )
        for i, row in enumerate(answers)
        for j, a in enumerate(row)
    ]
    write_rows(folder / "samples-00000-of-00001.jsonl", rows)
    if more:
        write_json(folder / "settings.json", more)
        write_json(folder / "COMPLETE", {})
    return str(folder)
