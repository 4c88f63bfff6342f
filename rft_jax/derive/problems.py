"""Derived problems: few-shot prompts, reversed problems, questions with answers to revise.

Problems for training and for evaluation have one format. A problem that gives one row keeps its id,
so that evaluations can be compared question by question.
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
"""The separator after each example of a few-shot prompt, a stop string for its answers."""


def few_shot(inputs: Inputs) -> Iterator[Problem]:
    """Every question after the same `count` examples, chosen at random.

    Raises:
      UserError: there are fewer examples.
    """
    if not inputs.examples:
        raise UserError("few_shot needs --examples, the problems to choose from")
    examples = load_problems(inputs.examples)
    if not 1 <= inputs.count <= len(examples):
        raise UserError(f"--count {inputs.count}: 1 to {len(examples)} examples can be chosen")
    chosen = random.Random(f"few_shot/{inputs.seed}").sample(examples, inputs.count)
    front = "".join(f"{one.question}\n{one.answer}{BETWEEN}" for one in chosen)
    for problem in inputs.problem_list:
        yield Problem(problem.id, front + problem.question, problem.answer)


def turned_round(inputs: Inputs) -> Iterator[Problem]:
    """The question as the answer to its reference solution, to train a model to write questions."""
    for problem in inputs.problem_list:
        yield Problem(problem.id, problem.answer, problem.question)


def chains(inputs: Inputs) -> Iterator[Problem]:
    """Prompts for a question that matches a sample: the first `count` samples of every problem.

    Samples with a final answer count, correct or not; the row's answer is the original question.
    """
    for problem in inputs.problem_list:
        for sample in inputs.first_samples[problem.id]:
            if "####" in sample.response:
                name = f"{problem.id}#{sample.sample}"
                yield Problem(name, sample.response, problem.question)


def queried(inputs: Inputs) -> Iterator[Problem]:
    """Every chain (the problems) as the answer to the question generated for it (the samples)."""
    for chain in inputs.problem_list:
        for sample in inputs.first_samples[chain.id]:
            yield Problem(f"{chain.id}#{sample.sample}", sample.response, chain.question)


def revisions(inputs: Inputs) -> Iterator[Problem]:
    """A question with a sample, to be answered again; for the first `count` samples."""
    for problem in inputs.problem_list:
        for sample in inputs.first_samples[problem.id]:
            name = problem.id if inputs.count == 1 else f"{problem.id}#{sample.sample}"
            yield _revision(name, problem, sample)


def farthest_revisions(inputs: Inputs) -> Iterator[Problem]:
    """`revisions` of one sample: that with the largest edit distance to the reference solution."""
    for problem in inputs.problem_list:
        samples = inputs.first_samples[problem.id]
        if samples:
            reference = problem.answer
            farthest = max(samples, key=lambda one: Levenshtein.distance(one.response, reference))
            yield _revision(problem.id, problem, farthest)


def _revision(name: str, problem: Problem, sample: Sample) -> Problem:
    return Problem(name, f"{problem.question}\n{sample.response}", problem.answer)
