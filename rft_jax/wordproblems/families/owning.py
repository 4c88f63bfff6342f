"""Two people have things, and get or lose some: who has more? The answer is a name."""

from __future__ import annotations

from rft_jax.arithmetic.whole import between
from rft_jax.wordproblems.cast import NAMES, NOUNS, StoryRandom
from rft_jax.wordproblems.expressions import Node, Winner
from rft_jax.wordproblems.families.collecting import hold


def draw(rng: StoryRandom, operations: int) -> tuple[str, Winner]:
    """A story of `operations` operations, those of both people together."""
    one, other, friend = rng.sample(NAMES, 3)
    noun = rng.choice(NOUNS)
    first = between(rng, operations // 4, operations - operations // 4)
    people: list[tuple[str, Node]] = []
    stories = []
    for name, count in ((one, first), (other, operations - first)):
        story, node = hold(rng, name, friend, noun, count)
        stories.append(story)
        people.append((name, node))
    has_most = rng.random() < 0.5
    more = "more" if has_most else "fewer"
    words = (f"So @ has {more} {noun}.", f"@ has {more} {noun}.")
    question = f"{' '.join(stories)} Who has {more} {noun}?"
    return question, Winner((people[0], people[1]), has_most, words)
