"""What `rft collect` can be told."""

from __future__ import annotations

from dataclasses import dataclass

from rft_jax.errors import UserError
from rft_jax.rft.dedup import KEYS
from rft_jax.rft.select import SELECTORS
from rft_jax.verify.answers import READERS
from rft_jax.verify.equations import CHECKS

EQUATION_SOURCES = ("annotations", "text", "either")


@dataclass(frozen=True)
class CollectSettings:
    """How samples become training paths. The defaults decide as the paper's script does.

    Attributes:
      answers: where a response says its answer: `first`, `last` (`#### n`), `boxed`,
        `the_answer_is`, `strict`, `flexible` (lm-evaluation-harness).
      equations: how an equation is checked: `paper` (floats, tolerance 1e-3) or `exact`
        (rationals; also percent, fractions on the right, chains, commas).
      equation_source: what counts as an equation: `annotations` (`<<lhs=rhs>>`), `text`
        (running text: `48/2 = 24`), `either` (annotations, where there are none the text).
      dedup: which paths of a problem are the same: `none`, `exact_text`, `equations` (the same
        list of equations), `canonical` (operands of sums and products in any order), `unordered`
        (the equations in any order too).
      select: which of the same paths is kept: `farthest` (the largest sum of edit distances to
        the other kept ones), `first`, `shortest`, `most_likely`.
      count_human: whether the human path counts when paths are compared.
      keep_unannotated: whether a right path without any equation is kept.
      first_samples: only the first this many samples of a problem and model count, as if no more
        had been drawn; 0 for all.
      timeout: seconds that one symbolic comparison of answers may take.
      workers: processes; 0 for one per CPU core. The result does not depend on it.
      suspicious_share: a reference that no sample agrees with is reported as suspicious when at
        least this share of the samples agree with each other.
      decontaminate: problems (a file or a name) to compare questions and paths with; '' for none.
      ngrams: lengths of the word sequences that count as overlap with those problems.
      remove_ngram: paths and problems that share a sequence of this length are left out; 0 only
        reports.
    """

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

    def __post_init__(self) -> None:
        for name, choices in (
            ("answers", READERS),
            ("equations", CHECKS),
            ("equation_source", EQUATION_SOURCES),
            ("dedup", KEYS),
            ("select", SELECTORS),
        ):
            if getattr(self, name) not in choices:
                raise UserError(
                    f"collect.{name} = {getattr(self, name)!r}; there are {', '.join(choices)}"
                )
        if self.timeout <= 0:
            raise UserError(f"collect.timeout = {self.timeout}; more than 0 seconds are needed")
        if self.first_samples < 0:
            raise UserError(f"collect.first_samples = {self.first_samples}; 0 (all) or more")
        if self.workers < 0:
            raise UserError(f"collect.workers = {self.workers}; 0 (a process per core) or more")
        if not 0 < self.suspicious_share <= 1:
            raise UserError(
                f"collect.suspicious_share = {self.suspicious_share}; more than 0, at most 1"
            )
        object.__setattr__(self, "ngrams", tuple(self.ngrams))  # gin gives lists
        if any(n < 1 for n in self.ngrams) or self.remove_ngram < 0:
            raise UserError(
                f"collect.ngrams = {self.ngrams}, collect.remove_ngram = {self.remove_ngram}; "
                "lengths are at least 1 (0 removes nothing)"
            )
