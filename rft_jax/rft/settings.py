"""Settings of `rft collect`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rft_jax.checked_settings import CheckedSettings
from rft_jax.files.identity import added_setting
from rft_jax.records import PROGRAM
from rft_jax.rft.dedup import DEDUP_LEVELS, KEYS, TRACE
from rft_jax.rft.select import SELECTORS
from rft_jax.verify.answers import answer_formats
from rft_jax.verify.equations import CHECKS
from rft_jax.verify.programs.reading import EVALUATOR, RUNNERS, SANDBOX
from rft_jax.verify.running_text import EQUATION_SOURCES

REFUSE, SKIP = "refuse", "skip"
BY_DATA = ""
"""The dedup level that the data choose: see `rft_jax.rft.level`."""
_COUNTED = (*DEDUP_LEVELS, TRACE)
# Levels that need no operations, which the sandbox does not record.
_OF_SOURCE = ("none", "exact_text", PROGRAM)


@dataclass(frozen=True)
class CollectSettings(CheckedSettings):
    """How samples become training paths. The defaults decide as the paper's script does.

    Attributes:
      answers: where a response says its final answer: `first` or `last` (`#### n`), `boxed`,
        `the_answer_is`, `strict` or `flexible` (lm-evaluation-harness); `arithmetic`: after the
        last `=` of an expression's steps; `program`: the last line that its program prints.
      equations: how an equation is checked: `paper` (floats, tolerance 1e-3) or `exact`
        (rationals; also percent, fractions on the right, chains, commas); `rounded`: as `exact`,
        and the last side of a chain may be rounded to two decimals.
      equation_source: what counts as an equation: `annotations` (`<<lhs=rhs>>`), `text`
        (running text: `48/2 = 24`), `either` (the text if there are no annotations), `steps` (a
        response is one chain, the steps of an expression).
      dedup: which correct paths of a problem are duplicates: `none`, `exact_text` (equal texts),
        `equations` (equal lists of equations), `canonical` (operands of sums and products in any
        order), `unordered` (the equations in any order too), `program` (programs that differ in
        names, comments and the order of operands), `trace` (equal operations on equal values, in
        texts and programs alike); `''` for `equations`, or `exact_text` where no solution and no
        sample has an equation.
      select: which one of several duplicates is kept: `farthest` (the largest sum of edit
        distances to the other kept paths), `first`, `shortest`, `most_likely`.
      count_human: whether the reference solution counts as a path, so that duplicates of it are
        not kept.
      keep_unannotated: whether a correct path without any equation is kept.
      first_samples: number of samples per problem and model that are used, in order of their
        index; 0 for all.
      timeout: CPU seconds that one symbolic comparison of answers may take.
      workers: number of processes; 0 for one per CPU core. The result does not depend on it.
      suspicious_share: a reference that no sample agrees with is reported as suspicious when at
        least this share of the samples agree with each other.
      decontaminate: test problems (a file or a name) to compare questions and paths with; '' for
        none.
      ngrams: lengths, in words, of the sequences that count as overlap with the test problems.
      remove_ngram: length, in words, of a sequence shared with the test problems that removes a
        path or a problem; 0 removes none.
      programs: what becomes of programs: `evaluator` evaluates them within counted budgets and
        executes nothing; `sandbox` executes them by Python with numpy and sympy under bubblewrap
        (`bwrap`), without network and files, within limits of time and memory; then `dedup` is
        `program`, `exact_text` or `none`.
      unmatched: what becomes of samples that are of none of the problems: `refuse` ends the command
        before any work, `skip` leaves them out and counts them in a warning.
      max_paths: sampled paths that are kept of a problem, at most: the first ones; 0 for all.
    """

    gin_name: ClassVar[str] = "collect"
    COMMON: ClassVar[tuple[str, ...]] = (
        "answers",
        "equations",
        "equation_source",
        "dedup",
        "select",
        "first_samples",
        "decontaminate",
        "workers",
    )

    answers: str = "first"
    equations: str = "paper"
    equation_source: str = "annotations"
    dedup: str = "equations"
    select: str = "farthest"
    count_human: bool = False
    keep_unannotated: bool = True
    first_samples: int = 0
    timeout: float = 5.0
    workers: int = 0
    suspicious_share: float = 0.5
    decontaminate: str = ""
    ngrams: tuple[int, ...] = (8, 13)
    remove_ngram: int = 0
    programs: str = added_setting(EVALUATOR)
    max_paths: int = added_setting(0)
    unmatched: str = added_setting(REFUSE)

    @property
    def skips_others(self) -> bool:
        """Whether samples of other problems are left out."""
        return self.unmatched == SKIP

    def __post_init__(self) -> None:
        self._check_choice("answers", answer_formats())
        self._check_choice("equations", CHECKS)
        self._check_choice("equation_source", EQUATION_SOURCES)
        self._check_choice("dedup", (*KEYS, BY_DATA))
        self._check_choice("unmatched", (REFUSE, SKIP))
        self._check_choice("select", SELECTORS)
        self._check_above(0, "timeout")
        self._check_at_least(0, "first_samples", "workers", "remove_ngram", "max_paths")
        self._check_choice("programs", RUNNERS)
        self._check_share("suspicious_share")
        object.__setattr__(self, "ngrams", tuple(self.ngrams))  # gin gives lists
        if any(n < 1 for n in self.ngrams):
            self._refuse("ngrams", "lengths of at least 1 are needed")
        if self.programs == SANDBOX:
            self._check_steps_are_not_needed()

    def _check_steps_are_not_needed(self) -> None:
        """Refuses to compare or to require steps of programs that are executed in the sandbox."""
        for name, fits in (("dedup", _OF_SOURCE), ("keep_unannotated", (True,))):
            if getattr(self, name) not in fits:
                needed = " or ".join(map(repr, reversed(fits)))
                self._refuse(
                    name,
                    f"with collect.programs = {SANDBOX!r}, which does not record the operations "
                    f"of a program, {needed} is needed",
                )

    @property
    def levels(self) -> tuple[str, ...]:
        """The dedup levels by which distinct paths are counted."""
        own = () if self.dedup in (*_COUNTED, "none", BY_DATA) else (self.dedup,)
        if self.programs == SANDBOX:
            return ("exact_text", *own)
        traced = (TRACE,) if self.answers == PROGRAM or self.dedup in (PROGRAM, TRACE) else ()
        return (*DEDUP_LEVELS, *own, *traced)
