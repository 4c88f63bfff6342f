"""The oracle control: the generator's own extra paths, in the numbers that the model found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rft_jax.derive.inputs import Inputs, share_out
from rft_jax.errors import UserError
from rft_jax.records import Problem
from rft_jax.wordproblems.files import DEFAULT_SIZES
from rft_jax.wordproblems.generator import Story, extra_paths, generate_stories
from rft_jax.wordproblems.splits import split_of


def oracle_paths(inputs: Inputs) -> dict[str, list[str]]:
    """Problem id -> the generator's paths, as many as were kept; others fill up what some lack.

    Raises:
      UserError: a problem is none of the embedded ones.
    """
    asked, wanted = inputs.asked, inputs.wanted()
    most = 2 * max(wanted.values(), default=0) + 10  # some to make up for problems with few
    available = {p.id: extra_paths(story, most, inputs.seed) for p, story in _stories(asked)}
    counts = share_out([wanted[p.id] for p in asked], [len(available[p.id]) for p in asked])
    return {p.id: available[p.id][:n] for p, n in zip(asked, counts, strict=True)}


def _stories(problems: Sequence[Problem]) -> Iterator[tuple[Problem, Story]]:
    """Each problem with the story it was made from, found by its question."""
    by_question: dict[str, Story] = {}
    for split in {split_of(problem.question) for problem in problems} & DEFAULT_SIZES.keys():
        stories = generate_stories(split, DEFAULT_SIZES[split], seed=0)
        by_question |= {story.question: story for story in stories}
    for problem in problems:
        if problem.question not in by_question:
            raise UserError(
                f"problem {problem.id!r} is none of wordproblems:train|dev|test, so there is no "
                "generator to ask for its paths"
            )
        yield problem, by_question[problem.question]
