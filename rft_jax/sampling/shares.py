"""Several processes that sample together: who has which problems, and what they tell each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import jax
import numpy as np
from jax.experimental import multihost_utils


@dataclass(frozen=True)
class Share:
    """One process's part of the work.

    Attributes:
      index: of the part.
      count: parts there are; 1 where all processes work at one in lockstep.
      writes: whether this process writes the part's files.
      processes: how many there are.
    """

    index: int = 0
    count: int = 1
    writes: bool = True
    processes: int = 1

    @staticmethod
    def of_this_process(span_hosts: bool) -> Share:
        """A part for every process, or the whole in lockstep, which the first one writes."""
        index, count = jax.process_index(), jax.process_count()
        if span_hosts:
            return Share(0, 1, index == 0, count)
        return Share(index, count, True, count)

    @property
    def leads(self) -> bool:
        """Whether this process writes what there is one of."""
        return self.index == 0 and self.writes

    @property
    def label(self) -> str:
        """Of this process's progress."""
        return "sample" if self.processes == 1 else f"sample process {jax.process_index()}"

    @property
    def file_name(self) -> str:
        """Of the part's samples."""
        return f"samples-{self.place}.jsonl"

    @property
    def place(self) -> str:
        """The part's number among how many, in names of files and folders."""
        return f"{self.index:05d}-of-{self.count:05d}"

    def bounds(self, total: int) -> tuple[int, int]:
        """First and one past the last of this part's problems."""
        return total * self.index // self.count, total * (self.index + 1) // self.count

    def sum_over_parts(self, values: np.ndarray) -> np.ndarray:
        """Whole numbers, added up over the parts."""
        if self.count == 1:
            return values
        return np.sum(multihost_utils.process_allgather(values.astype(np.int32)), axis=0)

    def agreed(self, flag: Callable[[], bool]) -> Callable[[], bool]:
        """The flag; in lockstep, whether any process has it, which all of them ask together."""
        if self.count == self.processes:
            return flag
        return lambda: bool(np.any(multihost_utils.process_allgather(np.asarray(flag()))))
