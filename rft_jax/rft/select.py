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

    Most candidates lose, and that can be shown without their distances: compared line by line, two
    texts are at least as far apart as they are, by a few percent more, at a third of the cost.
    """

    def __init__(self) -> None:
        from rapidfuzz.distance.Levenshtein import distance

        self._distance = distance
        self._texts: list[str] = []  # the kept paths, cut to what is compared
        self._lines: list[list[str]] = []
        self._rows: list[list[int | None]] = []  # distances between them, None until computed
        self._scores: dict[int, int] = {}  # sums of these rows
        self._lost: set[str] = set()  # candidates that were not farther than these kept paths

    def replaces(self, new: Candidate, place: int, kept: Sequence[Candidate]) -> bool:
        for added in kept[len(self._texts) :]:
            self._add(added.response)
        text = new.response
        if text == kept[place].response or len(kept) == 1:
            return False
        if text in self._lost:
            return False
        row = self._if_farther(text, place, self._score(place))
        if row is None:
            self._lost.add(text)
            return False
        self._put(text, place, row)
        return True

    def _add(self, text: str) -> None:
        for row in self._rows:
            row.append(None)
        text = text[:MAX_COMPARED_CHARS]
        self._texts.append(text)
        self._lines.append(text.split("\n"))
        self._rows.append([None] * len(self._rows) + [0])
        self._forget()

    def _put(self, text: str, place: int, row: list[int]) -> None:
        self._texts[place] = text[:MAX_COMPARED_CHARS]
        self._lines[place] = self._texts[place].split("\n")
        self._rows[place] = [*row]
        for other, distance in enumerate(row):
            self._rows[other][place] = distance
        self._forget()

    def _forget(self) -> None:
        """The kept paths have changed, and with them the scores."""
        self._scores.clear()
        self._lost.clear()

    def _score(self, place: int) -> int:
        """The sum of distances from a kept path to the others."""
        if place in self._scores:
            return self._scores[place]
        row = self._rows[place]
        if None in row:
            text = self._texts[place]
            for other, known in enumerate(row):
                if known is None:
                    distance = self._distance(text, self._texts[other])
                    row[other] = self._rows[other][place] = distance
        self._scores[place] = sum(row)  # type: ignore[arg-type]
        return self._scores[place]

    def _if_farther(self, text: str, place: int, least: int) -> list[int] | None:
        """The distances from `text` to the kept paths, if those to the others sum to more.

        Begins with bounds, and puts distances in their place for as long as that can matter.
        """
        distance, text = self._distance, text[:MAX_COMPARED_CHARS]
        lines = text.split("\n")
        row = [
            sum(map(distance, lines, other))
            + (0 if len(lines) == len(other) else _surplus(lines, other))
            if index != place
            else 0
            for index, other in enumerate(self._lines)
        ]
        total = sum(row)
        for index, bound in enumerate(row):
            if total <= least:
                return None
            if index != place:
                row[index] = distance(text, self._texts[index], score_cutoff=bound)
                total += row[index] - bound
        return row if total > least else None


def _surplus(lines: list[str], others: list[str]) -> int:
    """Characters of the lines that have no partner, with the breaks before them."""
    longer, size = (lines, len(others)) if len(lines) > len(others) else (others, len(lines))
    return sum(map(len, longer[size:])) + len(longer) - size


SELECTORS: dict[str, type[Selector]] = {
    "farthest": Farthest,
    "first": First,
    "shortest": Shortest,
    "most_likely": MostLikely,
}
