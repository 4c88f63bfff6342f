"""Controls for RFT: as many rows for each problem as it kept, filled with other right paths."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import repeat

from rft_jax.derive.inputs import Inputs
from rft_jax.errors import UserError
from rft_jax.records import Sample


def most_likely_samples(inputs: Inputs) -> dict[str, list[str]]:
    """The right texts with the largest log-probability, whatever equations they share.

    Raises:
      UserError: a sample has no log-probability.
    """
    return _chosen(inputs, _by_likelihood)


def random_samples(inputs: Inputs) -> dict[str, list[str]]:
    """Right samples drawn by seed, the same text as often as it comes up."""

    def shuffled(samples: list[Sample]) -> list[Sample]:
        key = samples[0].id if samples else ""
        return random.Random(f"random/{inputs.seed}/{key}").sample(samples, len(samples))

    return _chosen(inputs, shuffled)


def human_paths(inputs: Inputs) -> dict[str, list[str]]:
    """The human path again and again: which problems have many rows, and nothing new in them."""
    wanted = inputs.wanted()
    return {p.id: list(repeat(p.answer, wanted[p.id])) for p in inputs.asked}


def _chosen(inputs: Inputs, order: Callable[[list[Sample]], list[Sample]]) -> dict[str, list[str]]:
    wanted, right = inputs.wanted(), inputs.right_samples()
    return {
        name: [one.response for one in order(samples)[: wanted[name]]]
        for name, samples in right.items()
    }


def _by_likelihood(samples: list[Sample]) -> list[Sample]:
    for one in samples:
        if one.logprob is None:
            raise UserError(f"sample {one.sample} of {one.id!r} has no logprob; sample it again")
    texts = {one.response: one for one in samples}
    return sorted(texts.values(), key=lambda one: -(one.logprob or 0.0))
