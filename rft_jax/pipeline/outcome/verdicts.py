"""Shares of verdicts among the responses of an evaluation."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from rft_jax.files.names import SAMPLES_FOLDER
from rft_jax.pipeline.stages import Stage
from rft_jax.records import read_problems, read_samples
from rft_jax.verify.grading import Grader


@dataclass(frozen=True)
class VerdictShare:
    """The share of the responses with a verdict, by exact equations.

    Attributes:
      stage: an evaluation of one response per problem.
      verdict: `wrong_equation` (a correct answer behind an incorrect calculation), or another one.
    """

    stage: Stage
    verdict: str

    def read(self, root: Path) -> float:
        """The share, from the evaluation's output in a run's folder."""
        problems = root / str(self.stage.arguments["--problems"].resolve(root))
        return verdict_shares(root / self.stage.folder / SAMPLES_FOLDER, problems)[self.verdict]


@lru_cache(maxsize=64)
def verdict_shares(samples: Path, problems: Path) -> Counter[str]:
    """Verdict -> its share of the samples.

    Args:
      samples: a folder of samples.
      problems: the file of their problems.
    """
    found = [sample for _, sample in read_samples(samples)]
    by_id = {problem.id: problem for problem in read_problems(problems)}
    shares: Counter[str] = Counter()
    with closing(Grader(equations="exact")) as grader:
        for one in found:
            reference = grader.reference(by_id[one.id])
            grade = grader.grade(one.response, one.finish_reason, reference, one.form)
            shares[grade.verdict] += 1
    return Counter({verdict: count / len(found) for verdict, count in shares.items()})
