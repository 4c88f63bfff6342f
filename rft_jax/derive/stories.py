"""The generated stories behind embedded problems."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache

from rft_jax.errors import UserError
from rft_jax.records import Problem
from rft_jax.wordproblems.generator import Story, generate_stories
from rft_jax.wordproblems.splits import PROBLEM_SPLITS, SPLITS, bucket_of


def stories_of(problems: Sequence[Problem]) -> Iterator[tuple[Problem, Story]]:
    """Each problem with the generated story that has its question.

    Raises:
      UserError: a problem is not one of the embedded problems.
    """
    found = _find({problem.question for problem in problems})
    for problem in problems:
        if problem.question not in found:
            raise UserError(
                f"problem {problem.id!r} is not in wordproblems:{'|'.join(PROBLEM_SPLITS)}, so the "
                "generator has no story for it"
            )
        yield problem, found[problem.question]


def _find(questions: Iterable[str]) -> dict[str, Story]:
    """The stories with these questions; splits are generated until all are found."""
    missing, found = set(questions), dict[str, Story]()
    buckets = {bucket_of(question) for question in missing}
    for split in (name for name in PROBLEM_SPLITS if SPLITS[name].bucket in buckets):
        if not missing:
            break
        stories = _stories(split)
        found |= {question: stories[question] for question in missing & stories.keys()}
        missing -= stories.keys()
    return found


@cache
def _stories(split: str) -> dict[str, Story]:
    """A split's stories by their questions."""
    stories = generate_stories(split, SPLITS[split].size, seed=0)
    return {story.question: story for story in stories}
