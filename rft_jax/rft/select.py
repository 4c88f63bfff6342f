"""Which of the paths with one key is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

# Edit distances look no further, so that no pair of texts costs more than a millisecond or two.
MAX_COMPARED_CHARS = 10_000


class Candidate(Protocol):
    """A right path that may be kept; `logprob` may be missing in foreign files."""

    @property
    def response(self) -> str:
        """Its text."""

    @property
    def logprob(self) -> float | None:
        """Under the model that wrote it."""


class Selector(Protocol):
    """Decides collisions of one problem."""

    def replaces(self, new: Candidate, place: int, kept: Sequence[Candidate]) -> bool:
        """Whether `new` takes the place of `kept[place]`, which has the same key."""


class First:
    """The first one stays."""

    def replaces(self, new: Candidate, place: int, kept: Sequence[Candidate]) -> bool:  # noqa: ARG002
        return False


class Shortest:
    """The fewest characters; the first of equals."""

    def replaces(self, new: Candidate, place: int, kept: Sequence[Candidate]) -> bool:
        return len(new.response) < len(kept[place].response)


class MostLikely:
    """The largest log-probability; the first of equals. One without any is the least likely."""

    def replaces(self, new: Candidate, place: int, kept: Sequence[Candidate]) -> bool:
        if new.logprob is None:
            return False
        old = kept[place].logprob
        return old is None or new.logprob > old


class Farthest:
    """The paper's greedy rule: a strictly larger sum of edit distances to the other kept paths.

    Most candidates lose, and losing can be shown without their distances: texts compared line by
    line are at least as far apart as the whole ones, by a few percent, at a third of the cost.
    """

    def __init__(self) -> None:
        from rapidfuzz.distance.Levenshtein import distance

        self._distance = distance
        self._known: dict[str, dict[str, int]] = {}  # distances between texts
        self._scores: dict[str, tuple[int, int, int]] = {}
        self._lines: dict[str, list[str]] = {}
        self._replaced = 0

    def replaces(self, new: Candidate, place: int, kept: Sequence[Candidate]) -> bool:
        others = [candidate.response for candidate in kept]
        old, text = others.pop(place), new.response
        if (
            text == old
            or not others
            or not self._is_farther(text, others, self._score(old, others))
        ):
            return False
        self._mirror(text, self._known[text])
        self._replaced += 1
        return True

    def _score(self, text: str, others: list[str]) -> int:
        """The sum of distances from a kept text to the other ones."""
        size, replaced, score = self._scores.get(text, (0, 0, 0))
        if size != len(others) or replaced != self._replaced:
            known = self._known.setdefault(text, {})
            found = {other: self._far(text, other) for other in others if other not in known}
            known.update(found)
            self._mirror(text, found)
            score = sum(map(known.__getitem__, others))
            self._scores[text] = len(others), self._replaced, score
        return score

    def _mirror(self, text: str, distances: dict[str, int]) -> None:
        """Lets the others know their distances to a kept text, which they will need too."""
        for other, distance in distances.items():
            self._known.setdefault(other, {})[text] = distance

    def _is_farther(self, text: str, others: list[str], least: int) -> bool:
        """Whether the distances from `text` to all others sum up to more than `least`.

        Begins with bounds, and puts exact distances in their place for as long as that can matter.
        """
        known = self._known.setdefault(text, {})
        bounds = self._bounds(text, others)
        total = sum(bounds)
        for other, bound in zip(others, bounds, strict=True):
            if total <= least:
                return False
            if other not in known:
                known[other] = self._far(text, other)
            total += known[other] - bound
        return total > least

    def _far(self, text: str, other: str) -> int:
        return self._distance(text[:MAX_COMPARED_CHARS], other[:MAX_COMPARED_CHARS])

    def _bounds(self, text: str, others: list[str]) -> list[int]:
        """Each distance if the first line is made of the first, the second of the second, …"""
        lines, distance = self._split(text), self._distance
        return [
            sum(map(distance, lines, other)) + _surplus(lines, other)
            for other in map(self._split, others)
        ]

    def _split(self, text: str) -> list[str]:
        lines = self._lines.get(text)
        if lines is None:
            lines = self._lines[text] = text[:MAX_COMPARED_CHARS].split("\n")
        return lines


def _surplus(lines: list[str], others: list[str]) -> int:
    """Characters of the lines that have no partner, with the breaks before them."""
    if len(lines) == len(others):
        return 0
    longer, size = (lines, len(others)) if len(lines) > len(others) else (others, len(lines))
    return sum(map(len, longer[size:])) + len(longer) - size


SELECTORS: dict[str, type[Selector]] = {
    "farthest": Farthest,
    "first": First,
    "shortest": Shortest,
    "most_likely": MostLikely,
}
