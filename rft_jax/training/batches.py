"""Batches: batch n is a pure function of (arrays, settings, n), so resuming needs no state."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache

import numpy as np

from rft_jax.training.packing import pack
from rft_jax.training.token_arrays import TokenArrays

Batch = dict[str, np.ndarray]


def shuffled(count: int, *key: int) -> np.ndarray:
    """A permutation of range(count) that depends on the key alone, on every NumPy version.

    Generator.permutation may change between NumPy releases; Philox's raw bits may not.
    """
    sequence = np.random.SeedSequence(key)
    raw = np.random.Philox(sequence).random_raw(count)
    return np.argsort(raw, kind="stable")


@dataclass(frozen=True, eq=False)
class Batches:
    """The batches of a training run.

    Attributes:
      arrays: the examples.
      batch_size: rows of a batch, over all processes.
      max_length: columns of a row.
      seed: determines the order of examples in every epoch.
      packed: whether examples share rows.
      pad_id: token of the columns that no example fills.
      weights: float32[n], loss weight of each example's response tokens; None for 1.
      token_values: further arrays of a batch by name: float32[total], a value for every token as
        a target.
    """

    arrays: TokenArrays
    batch_size: int
    max_length: int
    seed: int
    packed: bool = True
    pad_id: int = 0
    weights: np.ndarray | None = None
    token_values: Mapping[str, np.ndarray] = field(default_factory=dict)

    @cached_property
    def _columns(self) -> np.ndarray:
        return self.arrays.lengths - 1  # the last token of an example is only a target

    def epoch_rows(self, epoch: int) -> list[list[int]]:
        """The rows of an epoch in the order of training, as example indices."""
        return self._recent_rows(epoch)

    def epoch_steps(self, epoch: int) -> int:
        """Batches in an epoch; the last one may have empty rows."""
        return self.num_steps(epoch + 1) - self.num_steps(epoch)

    # Caches of the instance: policy training makes new batches in every step.
    @cached_property
    def _recent_rows(self) -> Callable[[int], list[list[int]]]:
        return lru_cache(maxsize=2)(self._pack)

    @cached_property
    def _ends(self) -> list[int]:
        """Batches of the first epochs together: of none, of one, and so on as far as asked for."""
        return [0]

    def _pack(self, epoch: int) -> list[list[int]]:
        order = shuffled(len(self.arrays), self.seed, epoch, 0)
        if not self.packed:
            return [[int(example)] for example in order]
        rows = pack(self._columns[order], self.max_length)
        return [order[rows[i]].tolist() for i in shuffled(len(rows), self.seed, epoch, 1)]

    def num_steps(self, epochs: int) -> int:
        """Batches in the first `epochs` epochs."""
        while len(self._ends) <= epochs:
            rows = len(self.epoch_rows(len(self._ends) - 1))
            self._ends.append(self._ends[-1] - (-rows // self.batch_size))
        return self._ends[epochs]

    def rows_of(self, step: int) -> list[list[int]]:
        """The rows of batch `step`, as example indices."""
        while self._ends[-1] <= step:
            self.num_steps(len(self._ends))
        epoch = bisect_right(self._ends, step) - 1
        first = (step - self._ends[epoch]) * self.batch_size
        rows = self.epoch_rows(epoch)[first : first + self.batch_size]
        return rows + [[]] * (self.batch_size - len(rows))

    def batch(self, step: int, process_index: int = 0, process_count: int = 1) -> Batch:
        """One process's rows of batch `step`.

        Args:
          step: the batch, from 0.
          process_index: which process's rows.
          process_count: processes that divide the batch.

        Returns:
          `tokens`, `targets`, `positions`, `segment_ids` (int32) and `loss_weights` (float32), each
          rows × max_length. `targets` are the tokens that follow; `loss_weights` is 1 (or the
          example's weight) where the target is a response token (the first and EOS included), 0
          elsewhere; positions restart with every example; segments count from 1, 0 is padding.
          `token_values` come last, and may replace `loss_weights`.
        """
        count = self.batch_size // process_count
        rows = self.rows_of(step)[process_index * count : (process_index + 1) * count]
        shape = (count, self.max_length)
        batch = {
            "tokens": np.full(shape, self.pad_id, np.int32),
            "targets": np.full(shape, self.pad_id, np.int32),
            "positions": np.zeros(shape, np.int32),
            "segment_ids": np.zeros(shape, np.int32),
            "loss_weights": np.zeros(shape, np.float32),
        }
        batch |= {name: np.zeros(shape, np.float32) for name in self.token_values}
        for index, examples in enumerate(rows):
            self._fill({name: array[index] for name, array in batch.items()}, examples)
        return batch

    def per_token(self, batches: Iterable[np.ndarray]) -> np.ndarray:
        """The inverse of `token_values`: a value for every token of the first epoch's examples.

        Args:
          batches: values of all targets, batch by batch, rows × max_length each.

        Returns:
          float32[total], 0 for the first token of every example.
        """
        values = np.zeros(len(self.arrays.tokens), np.float32)
        for step, batch in zip(range(self.epoch_steps(0)), batches, strict=True):
            for row, examples in zip(batch, self.rows_of(step), strict=True):
                for example, columns in self._columns_of(examples):
                    begin, end = self.arrays.offsets[example : example + 2]
                    values[begin + 1 : end] = row[columns]
        return values

    def _columns_of(self, examples: list[int]) -> Iterator[tuple[int, slice]]:
        """The columns that each example of a row fills."""
        start = 0
        for example in examples:
            columns = int(self._columns[example])
            yield example, slice(start, start + columns)
            start += columns

    def _fill(self, row: Batch, examples: list[int]) -> None:
        for segment, (example, segment_columns) in enumerate(self._columns_of(examples), start=1):
            begin, end = self.arrays.offsets[example : example + 2]
            tokens = self.arrays.tokens[begin:end]
            columns = len(tokens) - 1
            start = segment_columns.start
            row["tokens"][segment_columns] = tokens[:-1]
            row["targets"][segment_columns] = tokens[1:]
            row["positions"][segment_columns] = np.arange(columns)
            row["segment_ids"][segment_columns] = segment
            first = max(int(self.arrays.prompt_lengths[example]) - 1, 0)
            weight = 1.0 if self.weights is None else self.weights[example]
            row["loss_weights"][start + first : start + columns] = weight
            for name, values in self.token_values.items():
                row[name][segment_columns] = values[begin + 1 : end]


def without_empty_rows(batches: Batches, epochs: int, unit: int) -> Batches:
    """Batches with fewer rows, where all examples together don't fill those of a single one.

    Steps and their examples stay the same: only rows that are empty in every epoch are left out.

    Args:
      epochs: number of epochs of the training, or of steps.
      unit: a multiple of this many rows is needed, by devices and microbatches.
    """
    if batches.epoch_steps(0) > 1:
        return batches
    rows = max(len(batches.epoch_rows(epoch)) for epoch in range(epochs))
    return replace(batches, batch_size=min(batches.batch_size, -(-rows // unit) * unit))
