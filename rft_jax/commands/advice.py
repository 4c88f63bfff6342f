"""What to do next where a result is not what the usual next command needs."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rft_jax.files.jsonl import read_json
from rft_jax.files.names import METRICS_FILE, STATS_FILE

_NOT_TEXT = (".parquet", ".gz")


def after_collect(flags: argparse.Namespace, output: Path) -> list[str]:
    """Where no sampled path is new: collecting again by another reader or key, or looking.

    Where the samples, or all paths, are missing: sampling.

    Args:
      flags: as they were typed.
      output: the folder that was written.
    """
    stats = read_json(output / STATS_FILE)
    if not stats["samples"] and (flags.samples or not stats["paths"]["human"]):
        return [
            "rft sample --model INSTRUCT --problems {problems} --output SAMPLES",
            "rft collect --problems {problems} --samples SAMPLES --output ANOTHER",
        ]
    if not stats["samples"] or stats["paths"]["new"]:
        return []
    again = f"rft collect --problems {{problems}}{_repeated('--samples', flags.samples)}"
    settings = [f"collect.answers={reader}" for reader in _readers(stats)]
    return [
        *(f"{again} --output ANOTHER --gin.{setting}" for setting in settings),
        "head -n 3 {output}/ledger.jsonl   # verdicts of samples, each with its reason",
        "rft report {output} --output REPORT",
    ]


def after_evaluate(flags: argparse.Namespace, output: Path) -> list[str]:
    """Where no answer is correct: evaluating again by another reader, or looking.

    Args:
      flags: as they were typed.
      output: the folder that was written.
    """
    from rft_jax.evaluation.metrics import main_metric

    metrics = read_json(output / METRICS_FILE)
    if metrics[main_metric(metrics)]["value"]:
        return []
    samples = flags.samples or [f"{flags.output}/samples"]
    again = f"rft evaluate --problems {{problems}}{_repeated('--samples', samples)}"
    readers = [f"evaluate.answers={reader}" for reader in _readers(metrics)]
    looked = _word(samples[0]) + ("/*.jsonl" if Path(samples[0]).is_dir() else "")
    return [
        *(f"{again} --output ANOTHER --gin.{setting}" for setting in readers),
        *([] if looked.endswith(_NOT_TEXT) else [f"head -n 3 {looked}   # responses"]),
        "head -n 3 {output}/predictions.jsonl   # the answers that were read",
    ]


def after_generating(flags: argparse.Namespace, _output: Path) -> list[str]:
    """For text to pretrain on, which has no problems to sample: training from random weights."""
    if not flags.split.startswith("pretrain"):
        return []
    return ["rft train --model init:CONFIG --data {output} --output PRETRAINED"]


def _readers(found: Mapping[str, Any]) -> list[str]:
    """The reader that reads the most of the responses without an answer, where most have none."""
    return list(found.get("readable", ()))[:1]


def _repeated(flag: str, values: Sequence[str]) -> str:
    return "".join(f" {flag} {_word(value)}" for value in values)


def _word(value: str) -> str:
    """A word of a command line that is to be formatted."""
    return shlex.quote(value).replace("{", "{{").replace("}", "}}")
