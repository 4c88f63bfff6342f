"""Names, nouns and numbers of the stories."""

from __future__ import annotations

from random import Random

from rft_jax.arithmetic.whole import between

SMALLEST, LARGEST = 2, 99
"""Bounds of every value in an ordinary story or solution. At least 2: every noun is plural."""

BOYS = ("Adam", "Ben", "Carl", "Dan", "Eli", "Finn", "Hugo", "Jack", "Leo", "Max")
GIRLS = ("Amy", "Beth", "Cora", "Emma", "Ivy", "Kate", "Lily", "Mia", "Nora", "Rose")
NAMES = BOYS + GIRLS
NOUNS = (
    "apples", "beads", "books", "caps", "cards", "cups", "dolls", "flowers", "kites", "lemons",
    "marbles", "nuts", "pears", "pens", "plums", "rings", "shells", "stamps", "stickers", "toys",
)  # fmt: skip
COLOURS = ("red", "blue", "green")
FRACTIONS = {2: "half", 3: "a third", 4: "a quarter", 5: "a fifth"}


def pronoun(name: str) -> str:
    """`He` or `She`."""
    return "He" if name in BOYS else "She"


class StoryRandom(Random):
    """The random draws of a story, with the size of its numbers.

    Attributes:
      scale: how many times larger than in an ordinary story (1) amounts may be. Counts of bags,
        days and friends stay small.
    """

    def __init__(self, seed: str | int, scale: int = 1):
        super().__init__(seed)
        self.scale = scale

    @property
    def largest(self) -> int:
        """The upper bound of every value of the story and its solutions."""
        return LARGEST * self.scale

    def amount(self, low: int, high: int) -> int:
        """A uniform draw from low..high times the scale; `low` if the range is empty."""
        return between(self, low, high * self.scale)


def factors(rng: StoryRandom, most: int = 60) -> tuple[int, int]:
    """A count (2..6) and a size (2..15 times the scale), their product at most `most` times it."""
    count = between(rng, 2, 6)
    return count, between(rng, 2, min(15 * rng.scale, most * rng.scale // count))
