"""Problems whose question is something else too: with examples before it, turned round, answered.

What is trained on and what is evaluated is written the same way: a problem's id stays what it was
wherever a problem gives one row, so that evaluations can be compared question by question.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from rapidfuzz.distance import Levenshtein

from rft_jax.data.sources import load_problems
from rft_jax.derive.inputs import Inputs
from rft_jax.errors import UserError
from rft_jax.records import Problem, Sample

BETWEEN = "\n\n"
"""Stands after each example of a few-shot prompt, so a stop string for its answers."""


def few_shot(inputs: Inputs) -> Iterator[Problem]:
    """`count` examples drawn by seed stand before every question, the same ones for all.

    Raises:
      UserError: there are fewer examples.
    """
    if not inputs.examples:
        raise UserError("few_shot needs --examples, the problems to draw from")
    known = load_problems(inputs.examples)
    if not 1 <= inputs.count <= len(known):
        raise UserError(f"--count {inputs.count}: of {len(known)} examples 1 or more can be drawn")
    drawn = random.Random(f"few_shot/{inputs.seed}").sample(known, inputs.count)
    front = "".join(f"{one.question}\n{one.answer}{BETWEEN}" for one in drawn)
    for problem in inputs.asked:
        yield Problem(problem.id, front + problem.question, problem.answer)


def turned_round(inputs: Inputs) -> Iterator[Problem]:
    """From the worked answer to its question: what a model learns that is to ask."""
    for problem in inputs.asked:
        yield Problem(problem.id, problem.answer, problem.question)


def chains(inputs: Inputs) -> Iterator[Problem]:
    """The first `count` samples of every problem, right or wrong, as what a question is wanted for.

    The answer, which nobody asks for, is the question that the sample was drawn for.
    """
    for problem in inputs.asked:
        for sample in inputs.first_samples_of(problem.id):
            if "####" in sample.response:
                name = f"{problem.id}#{sample.sample}"
                yield Problem(name, sample.response, problem.question)


def queried(inputs: Inputs) -> Iterator[Problem]:
    """Every chain (the problems) with the question that was drawn for it (the samples)."""
    for chain in inputs.asked:
        for sample in inputs.first_samples_of(chain.id):
            yield Problem(f"{chain.id}#{sample.sample}", sample.response, chain.question)


def revisions(inputs: Inputs) -> Iterator[Problem]:
    """A question with an answer to it, to be answered again; for the first `count` samples."""
    for problem in inputs.asked:
        for sample in inputs.first_samples_of(problem.id):
            name = problem.id if inputs.count == 1 else f"{problem.id}#{sample.sample}"
            yield _revision(name, problem, sample)


def farthest_revisions(inputs: Inputs) -> Iterator[Problem]:
    """The same for one of those samples: the farthest from the human path by edit distance."""
    for problem in inputs.asked:
        drawn = inputs.first_samples_of(problem.id)
        if drawn:
            human = problem.answer
            far = max(drawn, key=lambda one: Levenshtein.distance(one.response, human))
            yield _revision(problem.id, problem, far)


def _revision(name: str, problem: Problem, sample: Sample) -> Problem:
    return Problem(name, f"{problem.question}\n{sample.response}", problem.answer)
