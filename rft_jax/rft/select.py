"""Which of the paths with one key is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

# Edit distances look no further, so that no pair of texts costs more than a millisecond or two.
MAX_COMPARED_CHARS = 10_000


@dataclass(frozen=True, slots=True)
class Candidate:
    """A right path that may be kept; `logprob` may be missing in foreign files."""

    text: str
    logprob: float | None


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
        return len(new.text) < len(kept[place].text)


class MostLikely:
    """The largest log-probability; the first of equals. One without any is the least likely."""

    def replaces(self, new: Candidate, place: int, kept: Sequence[Candidate]) -> bool:
        if new.logprob is None:
            return False
        old = kept[place].logprob
        return old is None or new.logprob > old


class Farthest:
    """The paper's greedy rule: a strictly larger sum of edit distances to the other kept paths."""

    def __init__(self) -> None:
        from rapidfuzz.distance.Levenshtein import distance

        self._distance = distance
        self._known: dict[str, dict[str, int]] = {}

    def replaces(self, new: Candidate, place: int, kept: Sequence[Candidate]) -> bool:
        old = kept[place].text
        if new.text == old or len(kept) == 1:
            return False
        return self._score(new.text, place, kept) > self._score(old, place, kept)

    def _score(self, text: str, place: int, kept: Sequence[Candidate]) -> int:
        """The sum of distances from `text` to all kept paths but the one at `place`."""
        known = self._known.setdefault(text, {})
        total = 0
        for index, other in enumerate(kept):
            if index == place:
                continue
            distance = known.get(other.text)
            if distance is None:
                distance = self._distance(
                    text[:MAX_COMPARED_CHARS], other.text[:MAX_COMPARED_CHARS]
                )
                known[other.text] = distance
                self._known.setdefault(other.text, {})[text] = distance
            total += distance
        return total


SELECTORS: dict[str, type[Selector]] = {
    "farthest": Farthest,
    "first": First,
    "shortest": Shortest,
    "most_likely": MostLikely,
}
