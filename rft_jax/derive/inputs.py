"""The inputs of `rft derive`, read on demand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path as FilePath

from rft_jax.arithmetic.settings import ArithmeticSettings
from rft_jax.data.sources import load_problems
from rft_jax.errors import UserError
from rft_jax.records import (
    PATHS_FILE,
    TEXT,
    LedgerRow,
    Path,
    Problem,
    Sample,
    check_named_once,
    read_ledger,
    read_paths,
    read_samples,
)
from rft_jax.records.ledger import check_samples_found


@dataclass(frozen=True)
class Inputs:
    """The flags of `rft derive`.

    Attributes:
      problems: wordproblems:…, gsm8k:… or a JSONL file; '' for none.
      collected: a folder that `rft collect` wrote; '' for none.
      samples: folders that `rft sample` wrote, or samples files.
      examples: problems for few-shot prompts; '' for none.
      count: number of items, by kind; 0 for kinds without a number.
      seed: seed of all random choices.
      form: of arithmetic, one of `arithmetic.formats.FORMATS`.
      arithmetic: the mix of lines of arithmetic.
    """

    problems: str = ""
    collected: str = ""
    samples: tuple[str, ...] = ()
    examples: str = ""
    count: int = 0
    seed: int = 0
    form: str = "steps"
    arithmetic: ArithmeticSettings = ArithmeticSettings()  # noqa: RUF009  (frozen)

    @cached_property
    def problem_list(self) -> list[Problem]:
        """The problems.

        Raises:
          UserError: none are given.
        """
        if not self.problems:
            raise UserError("this kind needs --problems, a file or a name such as gsm8k:train")
        return load_problems(self.problems)

    @cached_property
    def first_samples(self) -> dict[str, list[Sample]]:
        """Problem id -> its first `count` samples, all of them with count 0."""
        samples: dict[str, list[Sample]] = {problem.id: [] for problem in self.problem_list}
        for one in self.all_samples():
            if one.id in samples and (not self.count or one.sample < self.count):
                samples[one.id].append(one)
        return samples

    def kept_counts(self) -> Counter[str]:
        """Problem id -> the number of sampled paths that `rft collect` kept."""
        return self._counts_by_origin["sampled"]

    def references(self) -> Counter[str]:
        """The ids of the problems whose reference solution `rft collect` made a path."""
        return self._counts_by_origin["human"]

    @cached_property
    def _counts_by_origin(self) -> dict[str, Counter[str]]:
        counts: dict[str, Counter[str]] = {"human": Counter(), "sampled": Counter()}
        for path in self.paths():
            self._check_given(path.id)
            counts["sampled" if path.origin == "sampled" else "human"][path.id] += 1
        return counts

    @cached_property
    def _problem_ids(self) -> frozenset[str]:
        return frozenset(problem.id for problem in self.problem_list)

    def _check_given(self, name: str) -> None:
        """Refuses what was collected of a problem that is not among the problems."""
        if name not in self._problem_ids:
            raise UserError(
                f"{self.collected}: was collected with problem {name!r}, which is not in "
                f"--problems {self.problems}; name all problems that were collected"
            )

    def paths(self) -> Iterator[Path]:
        """The paths that `rft collect` kept.

        Raises:
          UserError: no folder is given, or it has no paths file.
        """
        if not self.collected:
            raise UserError("this kind needs --collected, a folder that rft collect wrote")
        file = FilePath(self.collected) / PATHS_FILE
        if not file.is_file():
            raise UserError(
                f"{self.collected}: no {PATHS_FILE} in it; --collected is a folder that rft "
                "collect wrote"
            )
        for _, path in read_paths(file):
            yield path

    def sampled_form(self) -> str:
        """The form of the sampled paths: `text` or `program`.

        Raises:
          UserError: they have both, which a file of other samples cannot be told to have.
        """
        forms = {path.form for path in self.paths() if path.origin == "sampled"}
        if len(forms) > 1:
            raise UserError(
                f"{self.collected}: has paths of both forms; collect texts and programs apart"
            )
        return next(iter(forms), TEXT)

    def ledger(self) -> Iterator[LedgerRow]:
        """What `rft collect` decided about every sample."""
        return read_ledger(self.collected)

    def samples_where(self, accepts: Callable[[LedgerRow], bool]) -> dict[str, list[Sample]]:
        """Problem id -> its samples whose ledger row is accepted, in order.

        Raises:
          UserError: such a sample is missing, or its problem.
        """
        accepted = set()
        for row in self.ledger():
            self._check_given(row.id)
            if accepts(row):
                accepted.add((row.model, row.id, row.sample))
        missing = set(accepted)
        samples: dict[str, list[Sample]] = {problem.id: [] for problem in self.problem_list}
        for one in self.all_samples():
            if (key := (one.model, one.id, one.sample)) in accepted:
                samples[one.id].append(one)
                missing.discard(key)
        check_samples_found(missing, self.collected)
        return samples

    def all_samples(self) -> Iterator[Sample]:
        """The samples of all folders, in order.

        Raises:
          UserError: no folder is given, or one is given twice.
        """
        if not self.samples:
            raise UserError("this kind needs --samples, a folder that rft sample wrote")
        check_named_once(self.samples)
        for folder in self.samples:
            for _, sample in read_samples(folder):
                yield sample


def allocate(wanted: Sequence[int], available: Sequence[int]) -> list[int]:
    """Counts as wanted where available; what some lack is added to the others in turns of one."""
    counts = [min(pair) for pair in zip(wanted, available, strict=True)]
    lacking = min(sum(wanted), sum(available)) - sum(counts)
    while lacking > 0:
        for i, most in enumerate(available):
            if lacking > 0 and counts[i] < most:
                counts[i] += 1
                lacking -= 1
    return counts
