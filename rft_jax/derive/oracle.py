"""The oracle control: extra paths from the embedded generator, as many as RFT kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rft_jax.derive.inputs import Inputs, allocate
from rft_jax.errors import UserError
from rft_jax.records import Problem
from rft_jax.wordproblems.generator import Story, extra_paths, generate_stories
from rft_jax.wordproblems.splits import PROBLEM_SPLITS, SPLITS, bucket_of


def oracle_paths(inputs: Inputs) -> dict[str, list[str]]:
    """Problem id -> the generator's paths, as many in total as RFT kept.

    Problems for which the generator has fewer are made up for by others.

    Raises:
      UserError: a problem is not one of the embedded problems.
    """
    problems, kept = inputs.problem_list, inputs.kept_counts()
    most = 2 * max(kept.values(), default=0) + 10  # some to make up for problems with few
    available = {p.id: extra_paths(story, most, inputs.seed) for p, story in _stories(problems)}
    counts = allocate([kept[p.id] for p in problems], [len(available[p.id]) for p in problems])
    return {p.id: available[p.id][:n] for p, n in zip(problems, counts, strict=True)}


def _stories(problems: Sequence[Problem]) -> Iterator[tuple[Problem, Story]]:
    """Each problem with the generated story that has its question."""
    by_question: dict[str, Story] = {}
    buckets = {bucket_of(problem.question) for problem in problems}
    for split in (name for name in PROBLEM_SPLITS if SPLITS[name].bucket in buckets):
        stories = generate_stories(split, SPLITS[split].size, seed=0)
        by_question |= {story.question: story for story in stories}
    for problem in problems:
        if problem.question not in by_question:
            raise UserError(
                f"problem {problem.id!r} is not in wordproblems:{'|'.join(PROBLEM_SPLITS)}, so the "
                "generator has no paths for it"
            )
        yield problem, by_question[problem.question]
