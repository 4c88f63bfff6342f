"""Controls for RFT: as many rows per problem as it kept, filled with other correct responses."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import repeat

from rft_jax.derive.inputs import Inputs
from rft_jax.errors import UserError
from rft_jax.records import Sample


def most_likely_samples(inputs: Inputs) -> dict[str, list[str]]:
    """Problem id -> its distinct correct texts of the largest log-probability.

    Raises:
      UserError: a sample has no log-probability.
    """
    return _chosen(inputs, _by_likelihood)


def random_samples(inputs: Inputs) -> dict[str, list[str]]:
    """Problem id -> correct samples chosen at random, duplicates included."""

    def shuffled(samples: list[Sample]) -> list[Sample]:
        key = samples[0].id if samples else ""
        return random.Random(f"random/{inputs.seed}/{key}").sample(samples, len(samples))

    return _chosen(inputs, shuffled)


def reference_solutions(inputs: Inputs) -> dict[str, list[str]]:
    """Problem id -> its reference solution, repeated: many rows for a problem, and nothing new."""
    counts = inputs.kept_counts()
    return {p.id: list(repeat(p.answer, counts[p.id])) for p in inputs.problem_list}


def _chosen(inputs: Inputs, order: Callable[[list[Sample]], list[Sample]]) -> dict[str, list[str]]:
    counts, correct = inputs.kept_counts(), inputs.correct_samples()
    return {
        name: [one.response for one in order(samples)[: counts[name]]]
        for name, samples in correct.items()
    }


def _by_likelihood(samples: list[Sample]) -> list[Sample]:
    for one in samples:
        if one.logprob is None:
            raise UserError(f"sample {one.sample} of {one.id!r} has no logprob; sample it again")
    texts = {one.response: one for one in samples}
    return sorted(texts.values(), key=lambda one: -(one.logprob or 0.0))
