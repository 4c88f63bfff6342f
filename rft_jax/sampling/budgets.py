"""How many samples each problem gets, where that depends on what was drawn before.

`until`: in rounds, until enough distinct correct paths are found. `difficulty`: the same few for
every problem first, and then what is left of a total, in proportion to the share of wrong ones.
Both are decided from samples in the order of their index, and what a round drew beyond the sample
that decided is discarded: the outcome depends on no batch, host count or interruption.

What is correct, and which paths are the same, is decided as `rft collect` does by default, in other
processes.
"""

from __future__ import annotations

import selectors
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from rft_jax.records import Sample
from rft_jax.rft.judge import Judge
from rft_jax.rft.rows import Row
from rft_jax.rft.settings import CollectSettings
from rft_jax.sampling.settings import SampleSettings
from rft_jax.verify.answers import reference_answer
from rft_jax.verify.symbolic import SymbolicComparer
from rft_jax.workers.child import Child
from rft_jax.workers.pool import cpu_cores

# A problem's worked answer, and (response, finish reason) of some of its samples.
Question = tuple[str, list[tuple[str, str]]]


def make_judge() -> Callable[[Question], list[str | None]]:
    """A function that gives the dedup key of every correct sample, and None for the others."""
    settings = CollectSettings()
    judge = Judge(settings, SymbolicComparer(settings.timeout))

    def work(question: Question) -> list[str | None]:
        answer, drawn = question
        rows = [Row(0, i, "", text, finish, None) for i, (text, finish) in enumerate(drawn)]
        judged = judge.judge(rows, reference_answer(answer, settings.answers) or "")
        return [one.key if one.verdict == "correct" else None for one in judged]

    return work


class Judges:
    """Worker processes that judge rounds of samples while the device draws others."""

    def __init__(self, workers: int = 0) -> None:
        name = f"{make_judge.__module__}:{make_judge.__qualname__}"
        self._children = [Child(name) for _ in range(workers or cpu_cores())]
        self._asked: dict[Child, deque[int]] = {child: deque() for child in self._children}
        self._selector = selectors.DefaultSelector()
        for child in self._children:
            self._selector.register(child, selectors.EVENT_READ)

    @property
    def busy(self) -> bool:
        """Whether an answer is still to come."""
        return any(self._asked.values())

    def ask(self, ticket: int, question: Question) -> None:
        """Hands samples of a problem over; the answer comes back with the ticket."""
        child = min(self._children, key=lambda child: len(self._asked[child]))
        child.send(question)
        self._asked[child].append(ticket)

    def answers(self, wait: bool) -> list[tuple[int, list[str | None]]]:
        """What has been judged since; at least one answer when told to wait and any is to come."""
        found = []
        timeout = None if wait and self.busy else 0
        for key, _ in self._selector.select(timeout):
            child: Any = key.fileobj
            found.append((self._asked[child].popleft(), child.receive()))
        return found

    def close(self) -> None:
        """Ends the processes."""
        self._selector.close()
        for child in self._children:
            child.close()


@dataclass
class _Problem:
    answer: str
    samples: list[Sample] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)


class UntilEnough:
    """Rounds of samples for each problem until enough of them are distinct correct paths.

    Args:
      answers: worked answers of the problems, by the index that their requests have.
      settings: `enough`, `round_size` and `num_samples`, the most there may be.
      judges: worker processes.
    """

    def __init__(self, answers: dict[int, str], settings: SampleSettings, judges: Judges) -> None:
        self._problems = {index: _Problem(answer) for index, answer in answers.items()}
        self._settings, self._judges = settings, judges
        self._decided: list[list[Sample]] = []

    @property
    def open(self) -> bool:
        """Whether something is still being judged, so that more may have to be drawn."""
        return self._judges.busy

    def add(self, index: int, samples: Sequence[Sample]) -> None:
        """Takes a round of a problem's samples, which are judged elsewhere."""
        problem = self._problems[index]
        problem.samples += samples
        drawn = [(one.response, one.finish_reason) for one in samples]
        self._judges.ask(index, (problem.answer, drawn))

    def decide(self, wait: bool) -> list[tuple[int, int, int]]:
        """Further samples to draw: (problem, first sample, number of samples)."""
        further = []
        for index, keys in self._judges.answers(wait):
            problem = self._problems[index]
            problem.keys += keys
            kept, most = needed(problem.keys, self._settings.enough), self._settings.num_samples
            if kept is None and len(problem.keys) < most:
                drawn = len(problem.keys)
                further.append((index, drawn, min(self._settings.round_size, most - drawn)))
            else:
                self._decided.append(problem.samples[:kept])
                del self._problems[index]
        return further

    def decided(self) -> list[list[Sample]]:
        """The samples that count of problems that were decided since the last call."""
        decided, self._decided = self._decided, []
        return decided


def needed(keys: Sequence[str | None], enough: int) -> int | None:
    """How many samples it takes to have `enough` distinct correct paths; None for too few."""
    found = set()
    for number, key in enumerate(keys, start=1):
        if key is not None:
            found.add(key)
            if len(found) >= enough:
                return number
    return None


def allot(wrong: Sequence[int], total: int, most: int) -> list[int]:
    """Shares `total` samples out in proportion to `wrong`, at most `most` to each.

    Whole numbers by the largest remainder, the earlier problem first; problems at the cap leave
    the rest to the others.
    """
    shares = [0] * len(wrong)
    active = [i for i, weight in enumerate(wrong) if weight > 0]
    total = min(total, most * len(active))
    while active and total > 0:
        weights = sum(wrong[i] for i in active)
        capped = [i for i in active if total * wrong[i] >= most * weights]
        if not capped:
            _share_out(shares, wrong, active, total, weights)
            break
        for i in capped:
            shares[i] = most
        total -= most * len(capped)
        active = [i for i in active if shares[i] == 0]
    return shares


def _share_out(
    shares: list[int], wrong: Sequence[int], active: list[int], total: int, weights: int
) -> None:
    for i in active:
        shares[i] = total * wrong[i] // weights
    left = total - sum(shares[i] for i in active)
    by_remainder = sorted(active, key=lambda i: (-(total * wrong[i] % weights), i))
    for i in by_remainder[:left]:
        shares[i] += 1
