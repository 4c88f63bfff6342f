"""How many samples each problem gets, decided by which of them are correct.

Two budgets, named as in DART-Math (Tong et al., arXiv 2407.13690). `Uniform` gives every problem as
many samples as it takes to find enough distinct correct paths. `Proportional` (their Prop2Diff)
gives every problem the same few, and then shares out what is left of a total in proportion to the
incorrect ones. Unlike DART-Math's, the first counts distinct paths, and the second shares out
samples, not correct samples, so that its cost is known beforehand.

Decisions are made from samples in the order of their index, and samples of a round after the one
that decided are discarded: the outcome depends on no batch, number of processes or interruption.
What is correct, and which paths are duplicates, is decided as `rft collect` does by default.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rft_jax.records import Problem, Sample
from rft_jax.rft.graded import SampleGrader
from rft_jax.rft.rows import Row
from rft_jax.rft.settings import CollectSettings
from rft_jax.workers.pool import Pool, cpu_cores

# A problem's final answer, and (response, finish reason) of some of its samples.
Question = tuple[str, list[tuple[str, str]]]
# The dedup key of every correct sample; None for the others.
Keys = list[str | None]


def make_worker() -> Callable[[Question], Keys]:
    """Returns the function that grades some samples of a problem, in a worker process."""
    grader = SampleGrader(CollectSettings())

    def work(question: Question) -> Keys:
        reference, responses = question
        rows = [Row(0, i, "", text, finish, None) for i, (text, finish) in enumerate(responses)]
        return [one.key if one.is_correct else None for one in grader.grade(rows, reference)]

    return work


class _Graded:
    """The keys of the samples added so far, found by worker processes meanwhile."""

    def __init__(self, problems: Sequence[Problem], workers: int) -> None:
        grader = SampleGrader(CollectSettings())
        self._references = [grader.reference(problem) for problem in problems]
        self._keys: dict[int, Keys] = {}
        self._pool = Pool(make_worker, workers=workers or cpu_cores())

    def add(self, index: int, samples: Sequence[Sample]) -> None:
        responses = [(one.response, one.finish_reason) for one in samples]
        self._pool.submit(index, (self._references[index], responses))

    def new(self, wait: bool) -> dict[int, Keys]:
        """All keys of the problems of which some have come since the last call."""
        answers = self._pool.answers(wait)
        for index, keys in answers:
            self._keys[index] = self._keys.get(index, []) + keys
        return {index: self._keys[index] for index, _ in answers}

    def all(self) -> dict[int, Keys]:
        """The keys of all samples, once they have come."""
        while self._pool.is_busy:
            self.new(wait=True)
        return self._keys

    def close(self) -> None:
        self._pool.close()


class Uniform:
    """Rounds of samples for each problem until enough of them are distinct correct paths.

    Args:
      problems: all that are sampled.
      enough: distinct correct paths per problem.
      round_size: samples of a problem between two decisions.
      num_samples: maximum samples of a problem.
      workers: processes that grade; 0 for one per CPU core.
    """

    def __init__(
        self,
        problems: Sequence[Problem],
        enough: int,
        round_size: int,
        num_samples: int,
        workers: int = 0,
    ) -> None:
        self.first_round = min(round_size, num_samples)
        self._enough, self._round_size, self._num_samples = enough, round_size, num_samples
        self._graded = _Graded(problems, workers)

    def add(self, index: int, samples: Sequence[Sample]) -> None:
        """Takes a round of a problem's samples, which workers grade."""
        self._graded.add(index, samples)

    def decide(self, wait: bool) -> dict[int, int]:
        """Samples in all, of the problems of which a round was graded since the last call."""
        return {index: self._total(keys) for index, keys in self._graded.new(wait).items()}

    def _total(self, keys: Keys) -> int:
        number = needed(keys, self._enough)
        if number is None:
            return min(len(keys) + self._round_size, self._num_samples)
        return number

    def close(self) -> None:
        """Ends the workers."""
        self._graded.close()


class Proportional:
    """The same first round for all problems, then samples in proportion to incorrect ones.

    Args:
      problems: all that are sampled, by any process.
      own: indices of those that this process samples.
      sum_over_processes: adds up whole numbers, one for each problem.
      round_size: samples of every problem's first round.
      average: samples per problem on average.
      num_samples: maximum samples of a problem.
      workers: processes that grade; 0 for one per CPU core.
    """

    def __init__(
        self,
        problems: Sequence[Problem],
        own: Sequence[int],
        sum_over_processes: Callable[[Sequence[int]], list[int]],
        round_size: int,
        average: float,
        num_samples: int,
        workers: int = 0,
    ) -> None:
        self.first_round = round_size
        self._own, self._sum = own, sum_over_processes
        self._num_problems = len(problems)
        self._more = int(average * len(problems)) - round_size * len(problems)
        self._most = num_samples - round_size
        self._graded = _Graded(problems, workers)
        self._added: list[int] = []
        self._totals: list[int] = []

    def add(self, index: int, samples: Sequence[Sample]) -> None:
        """Takes a problem's samples; workers grade those of its first round."""
        if not self._totals:
            self._graded.add(index, samples[: self.first_round])
        self._added.append(index)

    def decide(self, wait: bool) -> dict[int, int]:
        """Samples in all of the problems added since, once the first round of all is graded.

        Shares out when there is nothing else to do, so that processes in lockstep do it together.
        """
        if not self._totals:
            if not wait or len(self._added) < len(self._own):
                return {}
            self._totals = self._share_out()
        added, self._added = self._added, []
        return {index: self._totals[index] for index in added}

    def _share_out(self) -> list[int]:
        incorrect = [0] * self._num_problems
        for index, keys in self._graded.all().items():
            incorrect[index] = keys.count(None)
        more = allot(self._sum(incorrect), self._more, self._most)
        return [self.first_round + samples for samples in more]

    def close(self) -> None:
        """Ends the workers."""
        self._graded.close()


def needed(keys: Sequence[str | None], enough: int) -> int | None:
    """How many samples it takes to have `enough` distinct correct paths; None for too few.

    Args:
      keys: dedup keys of the samples in order, None for those that are not correct.
      enough: distinct keys.
    """
    distinct = set()
    for number, key in enumerate(keys, start=1):
        if key is not None:
            distinct.add(key)
            if len(distinct) >= enough:
                return number
    return None


def allot(incorrect: Sequence[int], total: int, most: int) -> list[int]:
    """Shares out samples in proportion to incorrect ones.

    Whole numbers by the largest remainder, the earlier problem first; problems at the cap leave
    the rest to the others.

    Args:
      incorrect: incorrect samples of each problem.
      total: samples to share out.
      most: maximum for each problem.
    """
    shares = [0] * len(incorrect)
    active = [i for i, weight in enumerate(incorrect) if weight > 0]
    total = min(total, most * len(active))
    while active and total > 0:
        weights = sum(incorrect[i] for i in active)
        capped = [i for i in active if total * incorrect[i] >= most * weights]
        if not capped:
            _share_out(shares, incorrect, active, total, weights)
            break
        for i in capped:
            shares[i] = most
        total -= most * len(capped)
        active = [i for i in active if shares[i] == 0]
    return shares


def _share_out(
    shares: list[int], incorrect: Sequence[int], active: list[int], total: int, weights: int
) -> None:
    for i in active:
        shares[i] = total * incorrect[i] // weights
    left = total - sum(shares[i] for i in active)
    by_remainder = sorted(active, key=lambda i: (-(total * incorrect[i] % weights), i))
    for i in by_remainder[:left]:
        shares[i] += 1
