"""Pairs of evaluations of the same problems: which ones each of two models solves alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rft_jax.files.jsonl import read_rows
from rft_jax.report.headline import main_comparison
from rft_jax.report.runs import RunRecord, StageRecord, greedy_evaluations

Predictions = Mapping[str, Mapping[str, Any]]
"""Problem id -> its row of `predictions.jsonl`."""


@dataclass(frozen=True)
class Side:
    """One greedy evaluation and its predictions."""

    run: RunRecord
    stage: StageRecord
    predictions: Predictions

    @property
    def name(self) -> str:
        """Of the model: its display name, with its seed."""
        name = self.run.arm_name(self.stage.arm)
        return name if self.stage.seed is None else f"{name}, seed {self.stage.seed}"

    def solves(self, problem: str) -> bool:
        """Whether its answer to a problem is correct."""
        return self.predictions[problem]["correct"][0] is True


@dataclass(frozen=True)
class Pair:
    """Two evaluations and the problems of both.

    Attributes:
      a: the first, such as RFT's.
      b: the one it is compared with.
      a_alone: ids of problems that a solves and b does not.
      b_alone: the reverse.
      both: how many both solve.
      neither: how many neither solves.
    """

    a: Side
    b: Side
    a_alone: tuple[str, ...]
    b_alone: tuple[str, ...]
    both: int
    neither: int


def read_pairs(runs: Sequence[RunRecord]) -> list[Pair]:
    """The main comparison of each run, at its first seed; of two evaluations alone, those two."""
    stages = [*_of_runs(runs)] or [*_alone(runs)]
    return [pair for a, b in stages if (pair := _pair(read_side(*a), read_side(*b)))]


def read_side(run: RunRecord, stage: StageRecord) -> Side:
    """An evaluation with its predictions; none if it has no such file."""
    path = stage.folder / "predictions.jsonl"
    rows = read_rows(path) if path.exists() else iter(())
    return Side(run, stage, {row["id"]: row for _, row in rows})


_Stage = tuple[RunRecord, StageRecord]


def _of_runs(runs: Sequence[RunRecord]) -> Iterator[tuple[_Stage, _Stage]]:
    for run in runs:
        main = main_comparison(run)
        names = (main["a"], main["b"]) if main else ("rft", "sft")
        a, b = ([one for one in greedy_evaluations(run) if one.arm == name] for name in names)
        paired = [(one, other) for one in a for other in b if one.seed == other.seed]
        for one, other in (paired or [(one, other) for one in a for other in b])[:1]:
            yield (run, one), (run, other)


def _alone(runs: Sequence[RunRecord]) -> Iterator[tuple[_Stage, _Stage]]:
    single = [(run, stage) for run in runs for stage in greedy_evaluations(run)]
    if len(runs) == len(single) == 2:
        yield single[0], single[1]


def _pair(a: Side, b: Side) -> Pair | None:
    """What the two solve; None without a problem that both were asked."""
    common = [name for name in a.predictions if name in b.predictions]
    solved = {name: (a.solves(name), b.solves(name)) for name in common}
    if not common:
        return None
    cases = list(solved.values())
    return Pair(
        a,
        b,
        a_alone=tuple(name for name, case in solved.items() if case == (True, False)),
        b_alone=tuple(name for name, case in solved.items() if case == (False, True)),
        both=cases.count((True, True)),
        neither=cases.count((False, False)),
    )
