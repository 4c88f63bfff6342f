"""Story problems with their expression trees, by split, size and seed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice

from rft_jax.errors import UserError
from rft_jax.records import Problem, question_digest
from rft_jax.wordproblems.cast import StoryRandom
from rft_jax.wordproblems.expressions import Node, Tree, Winner, count_operations, is_sound
from rft_jax.wordproblems.families import (
    buying,
    collecting,
    comparing,
    fractions,
    owning,
    rates,
)
from rft_jax.wordproblems.programs import render_program
from rft_jax.wordproblems.splits import SPLITS, bucket_of, parity_of
from rft_jax.wordproblems.vocabulary import count_tokens
from rft_jax.wordproblems.walks import equation, order_of_people, sample_steps

Draw = Callable[[StoryRandom, int], tuple[str, Tree] | None]

FAMILIES: dict[str, Draw] = {
    "collecting": collecting.draw,
    "comparing": comparing.draw,
    "buying": buying.draw,
    "rates": rates.draw,
    "fractions": fractions.draw,
}
"""The families whose answers are numbers."""
FAMILIES_OF_NAMES: dict[str, Draw] = {"owning": owning.draw}
OPERATIONS = (4,)
"""Numbers of operations of the experiment's problems; pretraining has worked ones up to 3."""
PATIENCE = 100
"""Consecutive draws without a new path after which `extra_paths` stops."""

_ANNOTATION = re.compile(r"<<([^<>]*)>>")


@dataclass(frozen=True, slots=True)
class Story:
    """A question of a split, its expression tree, and the reference solution."""

    split: str
    question: str
    family: str
    tree: Tree
    reference: str

    def sample_path(self, rng: StoryRandom) -> str:
        """One random solution, as GSM8K writes it."""
        return render_path(self.tree, rng)

    def sample_program(self, rng: StoryRandom) -> str:
        """One random solution as a program."""
        return render_program(self.tree, rng)

    def solution(self, form: str = "text") -> str:
        """The reference solution, or (`program`) one program, which the question determines."""
        if form == "text":
            return self.reference
        rng = StoryRandom(f"wordproblems/program/{self.question}", SPLITS[self.split].scale)
        return self.sample_program(rng)

    def problem(self, form: str = "text") -> Problem:
        """The question with its solution in this form, as a problem."""
        name = f"wordproblems-{self.split}/{question_digest(self.question)}"
        return Problem(name, self.question, self.solution(form), form)


def render_path(tree: Tree, rng: StoryRandom) -> str:
    """One random walk over the tree as sentences, ending in `#### n`."""
    if isinstance(tree, Winner):
        people = order_of_people(tree, rng)
        sentences = [s for _, node in people if count_operations(node) for s in _tell(node, rng)]
        sentences.append(rng.choice(tree.words).replace("@", tree.value))
    else:
        sentences = _tell(tree, rng)
    return f"{' '.join(sentences)}\n#### {tree.value}"


def _tell(node: Node, rng: StoryRandom) -> list[str]:
    steps = sample_steps(node, rng)
    return [rng.choice(step.words).replace("@", equation(step)) for step in steps]


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
    wanted = SPLITS[split]
    rng = StoryRandom(f"wordproblems/{stream}/{split}/{seed}", wanted.scale)
    families = FAMILIES_OF_NAMES if wanted.has_names else FAMILIES
    names = tuple(families)
    while True:
        family, count = rng.choice(names), rng.choice(operations)
        question, tree = _draw_one(rng, families[family], count)
        if bucket_of(question) != wanted.bucket:
            continue
        reference = render_path(tree, rng)
        if _fits(split, question, reference):
            yield Story(split, question, family, tree, reference)


def half_of(question: str) -> int:
    """The half of its bucket: `parity_of`, but 0 for the 2,000 questions of `wordproblems:test`.

    Those were chosen from the whole bucket, and measured on, before there was `test2`.
    """
    return int(parity_of(question) == 1 and question not in _test_questions())


@cache
def _test_questions() -> frozenset[str]:
    return frozenset(story.question for story in _test_stories())


@cache
def _test_stories() -> tuple[Story, ...]:
    stories = _distinct(_draw_of_bucket("test", 0, OPERATIONS, "stories"))
    return tuple(islice(stories, SPLITS["test"].size))


def _fits(split: str, question: str, path: str) -> bool:
    return count_tokens(f"{question}\n", path) <= SPLITS[split].row_tokens


def _draw_one(rng: StoryRandom, draw: Draw, operations: int) -> tuple[str, Tree]:
    """A story of a family with this many operations, drawn until its values are in bounds."""
    while True:
        drawn = draw(rng, operations)
        if drawn is not None and is_sound(drawn[1], rng.largest):
            return drawn


def generate_stories(
    split: str, size: int, seed: int, operations: Sequence[int] = OPERATIONS
) -> Iterator[Story]:
    """`size` stories of a split, all different; a smaller size gives the first of them."""
    if (split, seed, tuple(operations)) == ("test", 0, OPERATIONS) and size <= SPLITS[split].size:
        return islice(_test_stories(), size)  # which `half_of` would generate first
    return islice(_distinct(draw_stories(split, seed, operations)), size)


def _distinct(stories: Iterator[Story]) -> Iterator[Story]:
    seen: set[str] = set()
    for story in stories:
        if story.question not in seen:
            seen.add(story.question)
            yield story


def generate_problems(split: str, size: int, seed: int = 0, form: str = "text") -> list[Problem]:
    """The embedded experiments' problems: `size` of a split, each with a solution in the form."""
    return [story.problem(form) for story in generate_stories(split, size, seed)]


def extra_paths(story: Story, count: int, seed: int) -> list[str]:
    """Up to `count` further solutions, with equation lists other than each other's and the
    reference's: what a model could find by sampling, from the generator itself.

    Fewer if the story has fewer, that is after `PATIENCE` consecutive draws without a new one.
    """
    scale = SPLITS[story.split].scale
    rng = StoryRandom(f"wordproblems/extra/{seed}/{story.question}", scale)
    seen = {equations(story.reference)}
    return list(islice(_new_paths(story, rng, seen), count))


def _new_paths(story: Story, rng: StoryRandom, seen: set[tuple[str, ...]]) -> Iterator[str]:
    misses = 0
    while misses < PATIENCE:
        path = story.sample_path(rng)
        key = equations(path)
        if key in seen or not _fits(story.split, story.question, path):
            misses += 1
        else:
            misses = 0
            seen.add(key)
            yield path
