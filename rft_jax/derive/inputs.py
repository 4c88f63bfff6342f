"""What a kind of `rft derive` can read, read when it asks for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path as FilePath

from rft_jax.data.sources import load_problems
from rft_jax.errors import UserError
from rft_jax.records import (
    Path,
    Problem,
    Sample,
    read_ledger,
    read_paths,
    read_samples,
    sample_files,
)


@dataclass(frozen=True)
class Inputs:
    """The flags of `rft derive`.

    Attributes:
      problems: wordproblems:…, gsm8k:… or a JSONL file.
      collected: a folder that `rft collect` wrote; '' for none.
      samples: folders that `rft sample` wrote, or samples files.
      examples: problems that stand in few-shot prompts; '' for none.
      count: how many, of kinds that can be told.
      seed: of everything that is drawn.
    """

    problems: str
    collected: str = ""
    samples: tuple[str, ...] = ()
    examples: str = ""
    count: int = 0
    seed: int = 0

    @cached_property
    def asked(self) -> list[Problem]:
        """The problems."""
        return load_problems(self.problems)

    def first_samples_of(self, name: str) -> list[Sample]:
        """A problem's first `count` samples, all of them with count 0."""
        return self._first_samples[name]

    @cached_property
    def _first_samples(self) -> dict[str, list[Sample]]:
        found: dict[str, list[Sample]] = {problem.id: [] for problem in self.asked}
        for one in self.drawn():
            if one.id in found and (not self.count or one.sample < self.count):
                found[one.id].append(one)
        return found

    def wanted(self) -> Counter[str]:
        """Problem id -> the sampled paths that were kept for it."""
        return Counter(path.id for path in self.paths() if path.origin == "sampled")

    def paths(self) -> Iterator[Path]:
        """The paths that were kept."""
        if not self.collected:
            raise UserError("this kind needs --collected, a folder that rft collect wrote")
        for _, path in read_paths(FilePath(self.collected) / "paths.jsonl"):
            yield path

    def right_samples(self) -> dict[str, list[Sample]]:
        """Problem id -> its samples with the verdict `correct`, in order."""
        right = {
            (row.id, row.model, row.sample)
            for row in read_ledger(self.collected)
            if row.verdict == "correct"
        }
        found: dict[str, list[Sample]] = {problem.id: [] for problem in self.asked}
        for one in self.drawn():
            if (one.id, one.model, one.sample) in right:
                found[one.id].append(one)
        return found

    def drawn(self) -> Iterator[Sample]:
        """All samples, folder after folder."""
        if not self.samples:
            raise UserError("this kind needs --samples, a folder that rft sample wrote")
        for folder in self.samples:
            for file in sample_files(folder):
                for _, sample in read_samples(file):
                    yield sample


def share_out(wanted: Sequence[int], available: Sequence[int]) -> list[int]:
    """What each gets: as much as it wants and has, then what others lack, in turns of one."""
    given = [min(pair) for pair in zip(wanted, available, strict=True)]
    lacking = min(sum(wanted), sum(available)) - sum(given)
    while lacking > 0:
        for i, most in enumerate(available):
            if lacking > 0 and given[i] < most:
                given[i] += 1
                lacking -= 1
    return given
