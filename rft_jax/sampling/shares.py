"""Processes that sample together: which problems each has, and what they exchange."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
from jax.experimental import multihost_utils


@dataclass(frozen=True)
class Share:
    """One process's share of the problems.

    Attributes:
      index: of the share.
      count: how many shares there are; 1 where all processes work on one in lockstep.
      writes: whether this process writes the share's files.
      processes: how many processes there are.
    """

    index: int = 0
    count: int = 1
    writes: bool = True
    processes: int = 1

    @staticmethod
    def of_this_process(span_hosts: bool) -> Share:
        """A share for every process, or all problems in lockstep, which process 0 writes."""
        index, count = jax.process_index(), jax.process_count()
        if span_hosts:
            return Share(0, 1, index == 0, count)
        return Share(index, count, True, count)

    @property
    def leads(self) -> bool:
        """Whether this process writes the files that there is one of."""
        return self.index == 0 and self.writes

    @property
    def label(self) -> str:
        """What this process's progress is labelled."""
        return "sample" if self.processes == 1 else f"sample process {jax.process_index()}"

    @property
    def shard_name(self) -> str:
        """The share's number among how many, in names of files and folders."""
        return f"{self.index:05d}-of-{self.count:05d}"

    @property
    def file_name(self) -> str:
        """The file of the share's samples."""
        return f"samples-{self.shard_name}.jsonl"

    def remove_other_files(self, folder: Path) -> None:
        """Removes the files of earlier starts with more or fewer processes."""
        for file in folder.glob("samples-*.jsonl"):
            if not file.stem.endswith(f"-of-{self.count:05d}"):
                file.unlink()

    def own(self, total: int) -> range:
        """Indices of this share's problems, of `total` in all."""
        return range(total * self.index // self.count, total * (self.index + 1) // self.count)

    def sum_over_shares(self, values: np.ndarray) -> np.ndarray:
        """Whole numbers, added up over the shares; all processes call it together."""
        if self.count == 1:
            return values
        return np.sum(multihost_utils.process_allgather(values.astype(np.int32)), axis=0)

    def agreed(self, flag: Callable[[], bool]) -> Callable[[], bool]:
        """The flag; in lockstep, whether any process has it, which all of them ask together."""
        if self.count == self.processes:
            return flag
        return lambda: bool(np.any(multihost_utils.process_allgather(np.asarray(flag()))))
