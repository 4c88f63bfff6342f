"""How many samples each problem gets, where the samples themselves decide."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from rft_jax.records import Problem, Sample


class Budget(Protocol):
    """Decides, given the samples that are finished, how many more are wanted.

    Problems go by their index. A decision may depend on the samples of the problems and on their
    order within a problem alone, not on when they were finished: then batches, the number of
    processes and interruptions change nothing.
    """

    @property
    def first_round(self) -> int:
        """Samples that every problem gets before anything is decided."""

    def add(self, index: int, samples: Sequence[Sample]) -> None:
        """Takes a problem's next samples: all that were wanted of it since the last decision."""

    def decide(self, wait: bool) -> Mapping[int, int]:
        """How many samples problems get in all, of those decided since the last call.

        More than a problem has: they are sampled and added, and it is decided again. As many or
        fewer: that many are kept, and it is finished.

        Args:
          wait: there is nothing else to do until something is decided; returns nothing then only if
            nothing can be before further samples are added.
        """

    def close(self) -> None:
        """Ends what it has running."""


# Adds up whole numbers, one for each problem, over the processes that sample together.
SumOverProcesses = Callable[[Sequence[int]], list[int]]

# Makes the budget of a run: of its problems, the indices of those that this process samples, and
# the sum over processes, which all of them call together.
MakeBudget = Callable[[Sequence[Problem], Sequence[int], SumOverProcesses], Budget]
