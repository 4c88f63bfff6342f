"""Counts that workers make apart and that add up to the same in any order.

Everything is a whole number, so neither the number of workers nor the order of problems can show in
`stats.json`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Tally:
    """What was counted over some problems.

    `""` as a model name stands for all models together. A count of pairs (n, c) says how often c
    of n samples had something: all that the exact expectations over subsets need. Samples whose
    correctness is undecided are in `samples` and `verdicts` and in no n.

    Attributes:
      problems: problems seen.
      samples: model -> samples.
      verdicts: (model, verdict) -> samples.
      correct: (model, n, c) -> problems of whose n samples c were correct.
      distinct: (dedup level, model, n, c) -> keys of that level which c of a problem's n samples
        had.
      kept: kept sampled paths of a problem -> problems.
      new: kept sampled paths of a problem, without copies of its reference solution -> problems.
      human: reference solutions that are training paths.
      found_by: tuple of models, sorted -> keys that exactly these models found.
      unsolved: references that are an answer without a solution.
      unannotated: correct samples without any equation.
      readable: reader of answers -> samples without an answer in which that one finds one.
      references: verdict -> reference solutions, graded as if they were samples.
      failing: index of the problem -> why its reference solution is not correct as a sample.
      suspicious: index of the problem -> why its reference may be incorrect.
      overlaps: (question, human or sampled; n) -> texts that share n words with the test set.
      contaminated: index of the problem -> rows about what it shares with the test set.
      programs: (samples, correct, correct_exactly; '') or (errors, kind) or (unsupported, part of
        Python) -> samples that are programs.
    """

    problems: int = 0
    human: int = 0
    unsolved: int = 0
    unannotated: int = 0
    readable: Counter[str] = field(default_factory=Counter)
    samples: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[tuple[str, str]] = field(default_factory=Counter)
    correct: Counter[tuple[str, int, int]] = field(default_factory=Counter)
    distinct: Counter[tuple[str, str, int, int]] = field(default_factory=Counter)
    kept: Counter[int] = field(default_factory=Counter)
    new: Counter[int] = field(default_factory=Counter)
    found_by: Counter[tuple[str, ...]] = field(default_factory=Counter)
    references: Counter[str] = field(default_factory=Counter)
    failing: dict[int, dict[str, Any]] = field(default_factory=dict)
    suspicious: dict[int, dict[str, Any]] = field(default_factory=dict)
    overlaps: Counter[tuple[str, int]] = field(default_factory=Counter)
    contaminated: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    programs: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def num_kept(self) -> int:
        """Kept sampled paths."""
        return _total(self.kept)

    @property
    def num_new(self) -> int:
        """Kept sampled paths that are not copies of a reference solution."""
        return _total(self.new)

    def add(self, other: Tally) -> None:
        """Adds another tally into this one."""
        for name, value in vars(other).items():
            if isinstance(value, int):
                setattr(self, name, getattr(self, name) + value)
            else:
                getattr(self, name).update(value)


def _total(counts: Counter[int]) -> int:
    return sum(paths * problems for paths, problems in counts.items())
