"""Story problems with their expression trees, by split, size and seed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from random import Random

from rft_jax.errors import UserError
from rft_jax.records import Problem, question_digest
from rft_jax.wordproblems.expressions import Node, count_operations, is_sound
from rft_jax.wordproblems.families import buying, collecting, comparing, fractions, rates
from rft_jax.wordproblems.splits import SPLITS, bucket_of, parity_of
from rft_jax.wordproblems.vocabulary import count_tokens
from rft_jax.wordproblems.walks import equation, sample_steps

FAMILIES = {
    "collecting": collecting.draw,
    "comparing": comparing.draw,
    "buying": buying.draw,
    "rates": rates.draw,
    "fractions": fractions.draw,
}
OPERATIONS = (4,)
"""Numbers of operations of the experiment's problems; pretraining has worked ones up to 3."""
ROW_TOKENS = 144
"""The most tokens of a question with a solution; the few longer ones are rejected."""
PATIENCE = 100
"""Consecutive draws without a new path after which `extra_paths` stops."""

_ANNOTATION = re.compile(r"<<([^<>]*)>>")


@dataclass(frozen=True, slots=True)
class Story:
    """A question of a split, its expression tree, and the reference solution."""

    split: str
    question: str
    family: str
    tree: Node
    reference: str

    @property
    def num_operations(self) -> int:
        """The number of binary operations in the tree."""
        return count_operations(self.tree)

    def sample_path(self, rng: Random) -> str:
        """One random solution, as GSM8K writes it."""
        return render_path(self.tree, rng)

    def problem(self) -> Problem:
        """The question with its reference solution, as a problem."""
        name = f"wordproblems-{self.split}/{question_digest(self.question)}"
        return Problem(name, self.question, self.reference)


def render_path(tree: Node, rng: Random) -> str:
    """One random walk over the tree as sentences, ending in `#### n`."""
    sentences = [
        rng.choice(step.words).replace("@", equation(step)) for step in sample_steps(tree, rng)
    ]
    return f"{' '.join(sentences)}\n#### {tree.value}"


def equations(path: str) -> tuple[str, ...]:
    """The path's annotations, in order."""
    return tuple(_ANNOTATION.findall(path))


def draw_stories(
    split: str, seed: int, operations: Sequence[int] = OPERATIONS, stream: str = "stories"
) -> Iterator[Story]:
    """Endless stories of a split, possibly repeated.

    Args:
      split: one of `SPLITS`.
      seed: with `split` and `stream`, determines the stories.
      operations: the numbers of operations to choose from, repeats making one more frequent.
      stream: a name that separates several sequences of one split and seed.

    Raises:
      UserError: for an unknown split.
    """
    if split not in SPLITS:
        raise UserError(f"unknown split {split!r}: choose one of {', '.join(SPLITS)}")
    stories, half = _draw_of_bucket(split, seed, operations, stream), SPLITS[split].half
    return stories if half is None else (s for s in stories if half_of(s.question) == half)


def _draw_of_bucket(
    split: str, seed: int, operations: Sequence[int], stream: str
) -> Iterator[Story]:
    rng = Random(f"wordproblems/{stream}/{split}/{seed}")
    names, bucket = tuple(FAMILIES), SPLITS[split].bucket
    while True:
        family, count = rng.choice(names), rng.choice(operations)
        question, tree = _draw_one(rng, family, count)
        if bucket_of(question) != bucket:
            continue
        reference = render_path(tree, rng)
        if _fits(question, reference):
            yield Story(split, question, family, tree, reference)


def half_of(question: str) -> int:
    """The half of its bucket: `parity_of`, but 0 for the 2,000 questions of `wordproblems:test`.

    Those were chosen from the whole bucket, and measured on, before there was `test2`.
    """
    return int(parity_of(question) == 1 and question not in _test_questions())


@cache
def _test_questions() -> frozenset[str]:
    stories = _distinct(_draw_of_bucket("test", 0, OPERATIONS, "stories"))
    return frozenset(story.question for story in islice(stories, SPLITS["test"].size))


def _fits(question: str, path: str) -> bool:
    return count_tokens(f"{question}\n", path) <= ROW_TOKENS


def _draw_one(rng: Random, family: str, operations: int) -> tuple[str, Node]:
    """A story of the family with this many operations, drawn until its values are in bounds."""
    while True:
        drawn = FAMILIES[family](rng, operations)
        if drawn is not None and is_sound(drawn[1]):
            return drawn


def generate_stories(
    split: str, size: int, seed: int, operations: Sequence[int] = OPERATIONS
) -> Iterator[Story]:
    """`size` stories of a split, all different; a smaller size gives the first of them."""
    return islice(_distinct(draw_stories(split, seed, operations)), size)


def _distinct(stories: Iterator[Story]) -> Iterator[Story]:
    seen: set[str] = set()
    for story in stories:
        if story.question not in seen:
            seen.add(story.question)
            yield story


def generate_problems(split: str, size: int, seed: int = 0) -> list[Problem]:
    """The embedded experiment's problems: `size` of a split, each with its reference solution."""
    return [story.problem() for story in generate_stories(split, size, seed)]


def extra_paths(story: Story, count: int, seed: int) -> list[str]:
    """Up to `count` further solutions, with equation lists other than each other's and the
    reference's: what a model could find by sampling, from the generator itself.

    Fewer if the story has fewer, that is after `PATIENCE` consecutive draws without a new one.
    """
    rng = Random(f"wordproblems/extra/{seed}/{story.question}")
    seen = {equations(story.reference)}
    return list(islice(_new_paths(story, rng, seen), count))


def _new_paths(story: Story, rng: Random, seen: set[tuple[str, ...]]) -> Iterator[str]:
    misses = 0
    while misses < PATIENCE:
        path = story.sample_path(rng)
        key = equations(path)
        if key in seen or not _fits(story.question, path):
            misses += 1
        else:
            misses = 0
            seen.add(key)
            yield path
