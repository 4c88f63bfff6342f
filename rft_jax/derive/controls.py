"""Controls for RFT: as many rows as it kept, filled with other responses."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from contextlib import closing
from itertools import repeat

from rft_jax.derive.inputs import Inputs, allocate
from rft_jax.errors import UserError
from rft_jax.records import VERDICTS, LedgerRow, Sample
from rft_jax.verify.comparison import AnswerComparer


def most_likely_samples(inputs: Inputs) -> dict[str, list[str]]:
    """Problem id -> its distinct correct texts of the largest log-probability under a model.

    Raises:
      UserError: a sample has no log-probability.
    """
    return _filled(inputs, _is_correct, _by_likelihood)


def random_samples(inputs: Inputs) -> dict[str, list[str]]:
    """Problem id -> correct samples chosen at random, duplicates included."""
    return _filled(inputs, _is_correct)


def unverified_samples(inputs: Inputs) -> dict[str, list[str]]:
    """Problem id -> samples chosen at random, whatever their verdict: self-distillation."""
    return _filled(inputs, lambda _: True)


def answer_checked_samples(inputs: Inputs) -> dict[str, list[str]]:
    """Problem id -> samples with a correct answer, whatever their equations, at random."""
    return _filled(inputs, lambda row: VERDICTS[row.verdict].answer_correct is True)


def incorrect_samples(inputs: Inputs) -> dict[str, list[str]]:
    """Problem id -> samples that are known not to be correct, at random."""
    return _filled(inputs, lambda row: not (_is_correct(row) or _is_undecided(row)))


def majority_samples(inputs: Inputs) -> dict[str, list[str]]:
    """Problem id -> samples whose answer most of its samples agree on, at random.

    The reference decides nothing: of answers with equal votes the one seen first counts.
    """
    votes: dict[str, Counter[Hashable]] = {}
    with closing(AnswerComparer()) as comparer:
        for row in inputs.ledger():
            if row.answer is not None:
                votes.setdefault(row.id, Counter())[comparer.value(row.answer)] += 1
        winners = {name: counts.most_common(1)[0][0] for name, counts in votes.items()}

        def agrees(row: LedgerRow) -> bool:
            return row.answer is not None and comparer.value(row.answer) == winners[row.id]

        return _filled(inputs, agrees)


def reference_solutions(inputs: Inputs) -> dict[str, list[str]]:
    """Problem id -> its reference solution, repeated: many rows for a problem, and nothing new.

    The rows of a problem without a solution go to the others.
    """
    problems, kept, solved = inputs.problem_list, inputs.kept_counts(), inputs.references()
    most = [kept.total() if p.id in solved else 0 for p in problems]
    counts = allocate([kept[p.id] for p in problems], most)
    return {p.id: list(repeat(p.answer, n)) for p, n in zip(problems, counts, strict=True)}


def _is_correct(row: LedgerRow) -> bool:
    return row.verdict == "correct"


def _is_undecided(row: LedgerRow) -> bool:
    return VERDICTS[row.verdict].answer_correct is None


def _filled(
    inputs: Inputs,
    accepts: Callable[[LedgerRow], bool],
    order: Callable[[list[Sample]], list[Sample]] | None = None,
) -> dict[str, list[str]]:
    """As many accepted samples as RFT kept: where a problem has fewer, others have more.

    Args:
      order: of a problem's samples, the first of which are taken; None for a random one.
    """
    order, counts = order or _shuffled(inputs.seed), inputs.kept_counts()
    samples = {name: order(found) for name, found in inputs.samples_where(accepts).items()}
    numbers = allocate([counts[name] for name in samples], list(map(len, samples.values())))
    return {
        name: [one.response for one in found[:number]]
        for (name, found), number in zip(samples.items(), numbers, strict=True)
    }


def _shuffled(seed: int) -> Callable[[Sequence[Sample]], list[Sample]]:
    """Any order of a problem's samples, a function of the seed and the problem."""

    def order(samples: Sequence[Sample]) -> list[Sample]:
        key = samples[0].id if samples else ""
        return random.Random(f"random/{seed}/{key}").sample(samples, len(samples))

    return order


def _by_likelihood(samples: list[Sample]) -> list[Sample]:
    """Distinct texts, each with the model that finds it most likely; of a model's the last."""
    for one in samples:
        if one.logprob is None:
            raise UserError(f"sample {one.sample} of {one.id!r} has no logprob; sample it again")
    of_models = {(one.model, one.response): one for one in samples}
    texts: dict[str, Sample] = {}
    for one in sorted(of_models.values(), key=lambda one: -(one.logprob or 0.0)):
        texts.setdefault(one.response, one)
    return list(texts.values())
