"""Collect stages with their statistics, and which of them have the most of the same samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rft_jax.files.jsonl import read_json
from rft_jax.files.names import STATS_FILE
from rft_jax.records import TEST_PATHS
from rft_jax.report.runs import RunRecord, StageRecord, read_settings


@dataclass(frozen=True)
class Collected:
    """A collect stage with its `stats.json` and the settings it was made with."""

    run: RunRecord
    stage: StageRecord
    stats: Mapping[str, Any]
    settings: Mapping[str, Any]

    @property
    def is_deduplicated(self) -> bool:
        """Whether duplicates were removed."""
        return self.settings.get("dedup") != "none"


def read_collected(runs: Sequence[RunRecord]) -> list[Collected]:
    """The finished collect stages that wrote training data."""
    return [
        Collected(run, stage, read_json(stage.folder / STATS_FILE), read_settings(stage.folder))
        for run in runs
        for stage in run.of("collect")
        if (stage.folder / STATS_FILE).exists() and stage.label != TEST_PATHS
    ]


def widest(collected: Sequence[Collected]) -> list[Collected]:
    """Those whose samples are not among the samples of another stage of the run.

    RFT for several k, for example, reads the first k of the same samples.
    """
    sizes = [_sizes(one) for one in collected]

    def is_within(i: int, j: int) -> bool:
        return (
            collected[i].run.name == collected[j].run.name
            and sizes[i] != sizes[j]
            and all(size <= sizes[j].get(model, -1) for model, size in sizes[i].items())
        )

    indices = range(len(collected))
    return [one for i, one in enumerate(collected) if not any(is_within(i, j) for j in indices)]


def _sizes(one: Collected) -> dict[str, int]:
    """The number of samples of each model."""
    models = one.stats["models"].items()
    return {model: sum(of_model["verdicts"].values()) for model, of_model in models}


def num_samples(one: Collected) -> int:
    """The largest number of samples per problem that a stage has curves for."""
    curves = one.stats["distinct@k"].values()
    return max((at["k"] for curve in curves for at in curve), default=0)
