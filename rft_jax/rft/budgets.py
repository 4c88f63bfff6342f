"""How many samples each problem gets, decided by which of them are correct.

Two budgets, named as in DART-Math (Tong et al., arXiv 2407.13690). `Uniform` gives every problem as
many samples as it takes to find enough distinct correct paths. `Proportional` (their Prop2Diff)
gives every problem the same few, and then shares out what is left of a total in proportion to the
incorrect ones. Unlike DART-Math's, the first counts distinct paths, and the second shares out
samples, not correct samples, so that its cost is known beforehand.

Decisions are made from samples in the order of their index, and samples of a round after the one
that decided are discarded: the outcome depends on no batch, number of processes or interruption.
What is correct, and which paths are duplicates, is decided as `rft collect` does by default, but
for how answers are read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rft_jax.errors import UserError
from rft_jax.records import VERDICTS, Problem, Sample
from rft_jax.rft.graded import SampleGrader
from rft_jax.rft.rows import Row
from rft_jax.rft.settings import CollectSettings
from rft_jax.verify.answers import answer_formats
from rft_jax.workers.pool import Pool, cpu_cores

# A problem's final answer, and (response, finish reason, form) of some of its samples.
Question = tuple[str, list[tuple[str, str, str]]]
# The verdict and the dedup key of each of those samples.
Grades = list[tuple[str, str]]


def check_answers(answers: str) -> None:
    """Refuses a way to read answers that there is not.

    Args:
      answers: the setting `sample.answers`.

    Raises:
      UserError: names those that there are.
    """
    if answers not in answer_formats():
        needed = ", ".join(map(repr, answer_formats()))
        raise UserError(f"sample.answers = {answers!r}: one of {needed} is needed")


def make_worker(answers: str = "first") -> Callable[[Question], Grades]:
    """Returns the function that grades some samples of a problem, in a worker process."""
    grader = SampleGrader(CollectSettings(answers=answers))

    def work(question: Question) -> Grades:
        reference, responses = question
        rows = [
            Row(0, i, "", text, end, None, form) for i, (text, end, form) in enumerate(responses)
        ]
        return [(one.grade.verdict, one.key) for one in grader.grade(rows, reference)]

    return work


class _Budget:
    """Grades a problem's samples in worker processes while others are sampled.

    Args:
      problems: all that are sampled, by any process.
      first_round: samples that every problem gets before anything is decided.
      answers: how answers are read, as in `CollectSettings`.
    """

    def __init__(self, problems: Sequence[Problem], first_round: int, answers: str) -> None:
        grader = SampleGrader(CollectSettings(answers=answers))
        self.first_round = first_round
        self._references = [grader.reference(problem) for problem in problems]
        self._grades: dict[int, Grades] = {}
        self._pool = Pool(make_worker, (answers,), workers=cpu_cores())

    def add(self, index: int, samples: Sequence[Sample]) -> None:
        """Takes a problem's next samples, which workers grade."""
        responses = [(one.response, one.finish_reason, one.form) for one in samples]
        self._pool.submit(index, (self._references[index], responses))

    def _newly_graded(self, wait: bool) -> list[int]:
        """The problems of which samples have been graded since the last call."""
        replies = self._pool.answers(wait)
        for index, grades in replies:
            self._grades.setdefault(index, []).extend(grades)
        return [index for index, _ in replies]

    def close(self) -> None:
        """Ends the workers."""
        self._pool.close()


class Uniform(_Budget):
    """Rounds of samples for each problem until enough of them are distinct correct paths.

    Args:
      problems: all that are sampled.
      enough: distinct correct paths per problem.
      round_size: samples of a problem between two decisions.
      num_samples: maximum samples of a problem.
      answers: how answers are read, as in `CollectSettings`.
    """

    def __init__(
        self,
        problems: Sequence[Problem],
        enough: int,
        round_size: int,
        num_samples: int,
        answers: str = "first",
    ) -> None:
        super().__init__(problems, min(round_size, num_samples), answers)
        self._enough, self._round_size, self._num_samples = enough, round_size, num_samples

    def decide(self, wait: bool) -> dict[int, int]:
        """Samples in all, of the problems of which a round was graded since the last call."""
        return {index: self._total(self._grades[index]) for index in self._newly_graded(wait)}

    def _total(self, grades: Grades) -> int:
        further_round = min(len(grades) + self._round_size, self._num_samples)
        return needed(grades, self._enough) or further_round


class Proportional(_Budget):
    """The same first round for all problems, then samples in proportion to incorrect ones.

    A sample whose grading took too long is undecided and does not count as incorrect.

    Args:
      problems: all that are sampled, by any process.
      own: indices of those that this process samples.
      sum_over_processes: adds up whole numbers, one for each problem.
      round_size: samples of every problem's first round.
      average: samples per problem on average.
      num_samples: maximum samples of a problem.
      answers: how answers are read, as in `CollectSettings`.
    """

    def __init__(
        self,
        problems: Sequence[Problem],
        own: Sequence[int],
        sum_over_processes: Callable[[Sequence[int]], list[int]],
        round_size: int,
        average: float,
        num_samples: int,
        answers: str = "first",
    ) -> None:
        super().__init__(problems, round_size, answers)
        self._own, self._sum = own, sum_over_processes
        self._more = int(average * len(problems)) - round_size * len(problems)
        self._most = num_samples - round_size
        self._added: list[int] = []
        self._totals: list[int] = []

    def add(self, index: int, samples: Sequence[Sample]) -> None:
        """Takes a problem's next samples; workers grade those of its first round."""
        if not self._totals:
            super().add(index, samples[: self.first_round])
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
        while self._pool.is_busy:
            self._newly_graded(wait=True)
        incorrect = [0] * len(self._references)
        for index, grades in self._grades.items():
            decided = [one for one, _ in grades if VERDICTS[one].answer_correct is not None]
            incorrect[index] = len(decided) - decided.count("correct")
        more = allot(self._sum(incorrect), self._more, self._most)
        return [self.first_round + samples for samples in more]


def needed(grades: Grades, enough: int) -> int | None:
    """How many samples it takes to have `enough` distinct correct paths; None for too few."""
    distinct = set()
    for number, (verdict, key) in enumerate(grades, start=1):
        if verdict == "correct":
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
        exact = {i: divmod(total * incorrect[i], weights) for i in active}
        capped = [i for i in active if exact[i][0] >= most]
        if not capped:
            left = total - sum(whole for whole, _ in exact.values())
            by_remainder = sorted(active, key=lambda i: (-exact[i][1], i))
            for rank, i in enumerate(by_remainder):
                shares[i] = exact[i][0] + (rank < left)
            break
        for i in capped:
            shares[i] = most
        total -= most * len(capped)
        active = [i for i in active if shares[i] == 0]
    return shares
