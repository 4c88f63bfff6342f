"""One batch of problems: what a worker does, in this process or in another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from rft_jax.errors import UserError
from rft_jax.records import Problem
from rft_jax.rft.judge import Judge
from rft_jax.rft.problem import count_problem, keep_distinct, ledger_lines, path_lines
from rft_jax.rft.rows import parse_rows
from rft_jax.rft.samples import Block
from rft_jax.rft.settings import CollectSettings
from rft_jax.rft.tally import Tally
from rft_jax.verify.answers import reference_answer
from rft_jax.verify.symbolic import SymbolicComparer


class Task(NamedTuple):
    """A problem, its place in the input, and its samples as lines."""

    place: int
    problem: Problem
    blocks: Sequence[Block]


@dataclass
class Result:
    """What came out of a batch.

    Attributes:
      paths, ledger: lines of the two files, encoded.
      tally: its counts.
      models: index of sample folder -> the model names in it.
      error: a mistake of the user's that ends the work.
    """

    paths: bytes = b""
    ledger: bytes = b""
    tally: Tally = field(default_factory=Tally)
    models: dict[int, set[str]] = field(default_factory=dict)
    error: str | None = None


def make_worker(settings: CollectSettings) -> Callable[[Sequence[Task]], Result]:
    """Returns the function that does a batch; it keeps what it learns about equations."""
    judge = Judge(settings, SymbolicComparer(settings.timeout))

    def work(batch: Sequence[Task]) -> Result:
        try:
            return _work(batch, judge, settings)
        except UserError as error:
            return Result(error=str(error))

    return work


def _work(batch: Sequence[Task], judge: Judge, settings: CollectSettings) -> Result:
    result = Result()
    paths, ledger = [], []
    for place, problem, blocks in batch:
        rows = parse_rows(blocks)
        for row in rows:
            result.models.setdefault(row.folder, set()).add(row.model)
        reference = reference_answer(problem.answer, settings.answers)
        if reference is None:
            raise UserError(
                f"problem {problem.id!r} has no answer; end its solution with '#### n' or \\boxed"
            )
        judged = judge.judge(rows, reference)
        kept = keep_distinct(problem, judged, judge, settings)
        ledger.append(ledger_lines(problem, judged, kept))
        paths.append(path_lines(problem, judged, kept, judge))
        count_problem(result.tally, place, problem, reference, judged, kept, settings)
    result.ledger = _encode(ledger)
    result.paths = _encode(paths)
    return result


def _encode(lines: Sequence[str]) -> bytes:
    """UTF-8; a lone surrogate, which can only stand inside a JSON string, becomes its escape."""
    return "".join(lines).encode("utf-8", "backslashreplace")
