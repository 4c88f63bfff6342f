"""Stages of training: each has its own shares of the data; batch n is still a function of n."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from itertools import accumulate, pairwise

import numpy as np

from rft_jax.training.batches import Batches
from rft_jax.training.settings import TrainSettings
from rft_jax.training.token_arrays import TokenArrays

# Its multiples, modulo 1, are spread more evenly than random numbers: any run of rows has the
# shares of its stage, up to a row or two.
_GOLDEN = (5**0.5 - 1) / 2


@dataclass(frozen=True)
class Stage:
    """Some steps in a row, and what their rows are from.

    Attributes:
      steps: how many.
      shares: of the rows that each source has; they sum to 1.
    """

    steps: int
    shares: tuple[float, ...]


def staged(batches: Batches, settings: TrainSettings) -> StagedBatches:
    """The batches by the stages of `train.curriculum`, of arrays whose manifest has `sources`."""
    common = {field.name: getattr(batches, field.name) for field in fields(batches)}
    sizes = tuple(batches.arrays.manifest["sources"])
    return StagedBatches(**common, sizes=sizes, stages=stages_of(settings))


def stages_of(settings: TrainSettings) -> tuple[Stage, ...]:
    """The stages of `train.curriculum`, which together have `train.num_steps` steps."""
    total = sum(stage[0] for stage in settings.curriculum)
    ends = accumulate(stage[0] for stage in settings.curriculum)
    steps = [round(settings.num_steps * end / total) for end in ends]
    return tuple(
        Stage(end - begin, tuple(share / sum(stage[1:]) for share in stage[1:]))
        for stage, (begin, end) in zip(settings.curriculum, pairwise([0, *steps]), strict=True)
    )


@dataclass(frozen=True, eq=False)
class StagedBatches(Batches):
    """Batches whose rows are each from one source, chosen by the stage.

    A source's rows come in its own random order; it is gone through to its end, over all stages,
    before a row comes again.

    Attributes:
      sizes: number of examples of each source, in the order of the arrays.
      stages: one after the other; the steps of all are those of the training.
    """

    sizes: tuple[int, ...] = ()
    stages: tuple[Stage, ...] = ()

    def rows_of(self, step: int) -> list[list[int]]:
        """The rows of batch `step`, as example indices."""
        rows = range(step * self.batch_size, (step + 1) * self.batch_size)
        return [self._row(int(self._sources[row]), int(self._numbers[row])) for row in rows]

    def _row(self, source: int, number: int) -> list[int]:
        """A source's row by its number over all epochs."""
        (row,) = self._of_source[source].rows_of(number)
        first = sum(self.sizes[:source])
        return [first + example for example in row]

    @cached_property
    def _of_source(self) -> list[Batches]:
        ends = [0, *accumulate(self.sizes)]
        return [
            Batches(_slice(self.arrays, *bounds), 1, self.max_length, self.seed, self.packed)
            for bounds in pairwise(ends)
        ]

    @cached_property
    def _sources(self) -> np.ndarray:
        """The source of every row of the training."""
        points = np.arange(sum(one.steps for one in self.stages) * self.batch_size) * _GOLDEN % 1
        stage_rows = np.cumsum([0, *(one.steps * self.batch_size for one in self.stages)])
        chosen = [
            np.searchsorted(np.cumsum(stage.shares)[:-1], points[begin:end], side="right")
            for stage, (begin, end) in zip(self.stages, pairwise(stage_rows), strict=True)
        ]
        return np.concatenate(chosen).astype(np.int32)

    @cached_property
    def _numbers(self) -> np.ndarray:
        """The number of every row among those of its source."""
        numbers = np.zeros(len(self._sources), np.int64)
        for source in range(len(self.sizes)):
            rows = np.flatnonzero(self._sources == source)
            numbers[rows] = np.arange(len(rows))
        return numbers


def _slice(arrays: TokenArrays, begin: int, end: int) -> TokenArrays:
    """Lengths of some examples; their tokens stay with all."""
    offsets, prompts = arrays.offsets[begin : end + 1], arrays.prompt_lengths[begin:end]
    return replace(arrays, offsets=offsets, prompt_lengths=prompts, questions=None)
