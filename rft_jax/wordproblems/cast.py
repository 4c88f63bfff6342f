"""Names, nouns and numbers of the stories."""

from __future__ import annotations

from random import Random

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


def between(rng: Random, low: int, high: int) -> int:
    """A uniform draw from low..high, both inclusive; `low` if the range is empty."""
    return low + int(rng.random() * (high - low + 1)) if high > low else low


def factors(rng: Random, most: int = 60) -> tuple[int, int]:
    """A count (2..6) and a size (2..15) whose product is at most `most`."""
    count = between(rng, 2, 6)
    return count, between(rng, 2, min(15, most // count))
