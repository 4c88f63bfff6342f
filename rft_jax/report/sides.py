"""Pairs of evaluations of the same problems: which ones each of two models solves alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rft_jax.errors import UserError
from rft_jax.files.jsonl import read_rows
from rft_jax.files.names import PREDICTIONS_FILE
from rft_jax.report.headline import ranked_comparisons
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


def read_pairs(runs: Sequence[RunRecord], named: Sequence[str] = ()) -> list[Pair]:
    """A pair of conditions of each run, at its first seed; of evaluations alone, those two.

    Args:
      named: the two conditions; without them the main comparison, or where nothing was compared
        the most accurate condition and the first one.

    Raises:
      UserError: no run has a condition of that name.
    """
    _check_named(runs, named)
    found = [
        next(filter(None, (_first_pair(run, *names) for names in _names(run, named))), None)
        for run in runs
    ]
    pairs = [pair for pair in found if pair is not None]
    return pairs or list(filter(None, [_across(runs, named)]))


def _check_named(runs: Sequence[RunRecord], named: Sequence[str]) -> None:
    there = {name: None for run in runs for name in (*run.labels, *(s.arm for s in run.stages))}
    for name in named:
        if name not in there:
            raise UserError(f"report.pair has {name!r}; there are {', '.join(there)}")


def read_side(run: RunRecord, stage: StageRecord) -> Side:
    """An evaluation with its predictions; none if it has no such file."""
    path = stage.folder / PREDICTIONS_FILE
    rows = read_rows(path) if path.exists() else iter(())
    return Side(run, stage, {row["id"]: row for _, row in rows})


def _names(run: RunRecord, named: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Pairs of conditions, the one to show before those that stand in for it."""
    if named:
        yield named[0], named[1]
        return
    yield from ((row["a"], row["b"]) for row in ranked_comparisons(run))
    if {"rft", "sft"} <= {*run.labels}:  # perhaps not evaluated yet
        yield "rft", "sft"
        return
    measured = {row["model"]: row["accuracy"]["value"] for row in run.rows if "accuracy" in row}
    first, *others = measured or [""]
    if others:
        yield max(others, key=lambda name: measured[name]), first


def _first_pair(run: RunRecord, a: str, b: str) -> Pair | None:
    """Two conditions of a run at the first seed that both have, if they answered one problem."""
    of_a, of_b = ([one for one in greedy_evaluations(run) if one.arm == name] for name in (a, b))
    every = [(one, other) for one in of_a for other in of_b]
    chosen = [pair for pair in every if pair[0].seed == pair[1].seed] or every
    sides = [read_side(run, stage) for pair in chosen[:1] for stage in pair]
    return _pair(*sides) if sides else None


def _across(runs: Sequence[RunRecord], named: Sequence[str]) -> Pair | None:
    """Two evaluations of several runs: those of that name, or the only two."""
    stages = [(run, stage) for run in runs for stage in greedy_evaluations(run)]
    if named:
        stages = [one for name in named for one in [s for s in stages if s[1].arm == name][:1]]
    elif len(runs) != 2:
        return None
    return _pair(*(read_side(*stage) for stage in stages)) if len(stages) == 2 else None


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
