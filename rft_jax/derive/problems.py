"""Derived problems: few-shot prompts, reversed problems, questions with answers to revise.

Problems for training and for evaluation have one format. A problem that gives one row keeps its id,
so that evaluations can be compared question by question; behind the ids of several stand the
sample's index and, where several models sampled, before it the model.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

from rapidfuzz.distance import Levenshtein

from rft_jax.data.sources import load_problems
from rft_jax.derive.inputs import Inputs
from rft_jax.errors import UserError
from rft_jax.prompts import with_cue
from rft_jax.records import PROGRAM, Problem, Sample

BETWEEN = "\n\n"
"""The separator after each example of a few-shot prompt, a stop string for its answers."""


def few_shot(inputs: Inputs) -> Iterator[Problem]:
    """Every question after the same `count` examples, chosen at random.

    Behind the question of a program stands the cue; where all examples are programs, also behind
    the question that is asked, as the template would not add it so near to another one.

    Raises:
      UserError: there are fewer examples.
    """
    if not inputs.examples:
        raise UserError("few_shot needs --examples, the problems to choose from")
    examples = load_problems(inputs.examples)
    if not 1 <= inputs.count <= len(examples):
        raise UserError(f"--count {inputs.count}: 1 to {len(examples)} examples can be chosen")
    chosen = random.Random(f"few_shot/{inputs.seed}").sample(examples, inputs.count)
    front = "".join(f"{_asked(one)}\n{one.answer}{BETWEEN}" for one in chosen)
    asks_for_program = all(one.form == PROGRAM for one in chosen)
    for problem in inputs.problem_list:
        question = with_cue(problem.question) if asks_for_program else problem.question
        yield replace(problem, question=front + question)


def _asked(example: Problem) -> str:
    return with_cue(example.question) if example.form == PROGRAM else example.question


def turned_round(inputs: Inputs) -> Iterator[Problem]:
    """The question as the answer to its reference solution, to train a model to write questions."""
    for problem in inputs.problem_list:
        yield Problem(problem.id, problem.answer, problem.question)


def chains(inputs: Inputs) -> Iterator[Problem]:
    """Prompts for a question that matches a sample: the first `count` samples of every problem.

    Samples with a final answer count, correct or not; the row's answer is the original question.
    """
    for name, problem, sample in _sampled(inputs):
        if "####" in sample.response:
            yield Problem(name, sample.response, problem.question)


def queried(inputs: Inputs) -> Iterator[Problem]:
    """Every chain (the problems) as the answer to the question generated for it (the samples)."""
    for name, chain, sample in _sampled(inputs):
        yield Problem(name, sample.response, chain.question)


def revisions(inputs: Inputs) -> Iterator[Problem]:
    """A question with a sample, to be answered again; for the first `count` samples."""
    is_one = inputs.count == 1 and len(_models(inputs)) == 1
    for name, problem, sample in _sampled(inputs):
        yield _revision(problem.id if is_one else name, problem, sample)


def farthest_revisions(inputs: Inputs) -> Iterator[Problem]:
    """`revisions` of one sample: that with the largest edit distance to the reference solution."""
    for problem in inputs.problem_list:
        samples = inputs.first_samples[problem.id]
        if samples:
            reference = problem.answer
            farthest = max(samples, key=lambda one: Levenshtein.distance(one.response, reference))
            yield _revision(problem.id, problem, farthest)


def _sampled(inputs: Inputs) -> Iterator[tuple[str, Problem, Sample]]:
    """Every first sample with its problem and an id for their row."""
    several = len(_models(inputs)) > 1
    for problem in inputs.problem_list:
        for sample in inputs.first_samples[problem.id]:
            model = f"#{sample.model}" if several else ""
            yield f"{problem.id}{model}#{sample.sample}", problem, sample


def _models(inputs: Inputs) -> set[str]:
    return {one.model for samples in inputs.first_samples.values() for one in samples}


def _revision(name: str, problem: Problem, sample: Sample) -> Problem:
    return replace(problem, id=name, question=f"{problem.question}\n{sample.response}")
