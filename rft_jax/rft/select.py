"""Which one of several duplicates is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from rft_jax.rft.rows import Row

# Edit distances look no further, so that no pair of texts costs more than a millisecond or two.
MAX_COMPARED_CHARS = 10_000


class Selector(Protocol):
    """Decides between the duplicates of one problem."""

    def replaces(self, new: Row, index: int, kept: Sequence[Row]) -> bool:
        """Whether `new` replaces its duplicate `kept[index]`."""


class First:
    """The first one."""

    def replaces(self, new: Row, index: int, kept: Sequence[Row]) -> bool:  # noqa: ARG002
        return False


class Shortest:
    """The fewest characters; the first of equals."""

    def replaces(self, new: Row, index: int, kept: Sequence[Row]) -> bool:
        return len(new.response) < len(kept[index].response)


class MostLikely:
    """The largest log-probability; the first of equals. None is the least likely."""

    def replaces(self, new: Row, index: int, kept: Sequence[Row]) -> bool:
        if new.logprob is None:
            return False
        old = kept[index].logprob
        return old is None or new.logprob > old


class Farthest:
    """The paper's greedy rule: a strictly larger sum of edit distances to the other kept paths.

    Most candidates are not farther, which an upper bound shows: the sum of the distances of the
    lines, a few percent above the distance of the texts, at a third of the cost.
    """

    def __init__(self) -> None:
        from rapidfuzz.distance.Levenshtein import distance

        self._distance = distance
        self._texts: list[str] = []  # the kept paths, cut to what is compared
        self._lines: list[list[str]] = []
        self._rows: list[list[int | None]] = []  # distances between them, None until computed
        self._scores: dict[int, int] = {}  # sums of these rows
        self._lost: set[str] = set()  # candidates that were not farther than these kept paths

    def replaces(self, new: Row, index: int, kept: Sequence[Row]) -> bool:
        for added in kept[len(self._texts) :]:
            self._add(added.response)
        text = new.response
        if text == kept[index].response or len(kept) == 1:
            return False
        if text in self._lost:
            return False
        row = self._if_farther(text, index, self._score(index))
        if row is None:
            self._lost.add(text)
            return False
        self._put(text, index, row)
        return True

    def _add(self, text: str) -> None:
        for row in self._rows:
            row.append(None)
        text = text[:MAX_COMPARED_CHARS]
        self._texts.append(text)
        self._lines.append(text.split("\n"))
        self._rows.append([None] * len(self._rows) + [0])
        self._forget()

    def _put(self, text: str, index: int, row: list[int]) -> None:
        self._texts[index] = text[:MAX_COMPARED_CHARS]
        self._lines[index] = self._texts[index].split("\n")
        self._rows[index] = [*row]
        for other, distance in enumerate(row):
            self._rows[other][index] = distance
        self._forget()

    def _forget(self) -> None:
        """The kept paths have changed, and with them the scores."""
        self._scores.clear()
        self._lost.clear()

    def _score(self, index: int) -> int:
        """The sum of distances from a kept path to the others."""
        if index in self._scores:
            return self._scores[index]
        row = self._rows[index]
        if None in row:
            text = self._texts[index]
            for other, known in enumerate(row):
                if known is None:
                    distance = self._distance(text, self._texts[other])
                    row[other] = self._rows[other][index] = distance
        self._scores[index] = sum(row)  # type: ignore[arg-type]
        return self._scores[index]

    def _if_farther(self, text: str, index: int, least: int) -> list[int] | None:
        """The distances from `text` to the kept paths other than `index`, if their sum is larger.

        Begins with the bounds and replaces them by distances for as long as that can matter.

        Args:
          index: of the kept path that the text is a duplicate of.
          least: the sum that has to be exceeded.
        """
        distance, text = self._distance, text[:MAX_COMPARED_CHARS]
        lines = text.split("\n")
        row = [
            sum(map(distance, lines, other))
            + (0 if len(lines) == len(other) else _surplus(lines, other))
            if number != index
            else 0
            for number, other in enumerate(self._lines)
        ]
        total = sum(row)
        for number, bound in enumerate(row):
            if total <= least:
                return None
            if number != index:
                row[number] = distance(text, self._texts[number], score_cutoff=bound)
                total += row[number] - bound
        return row if total > least else None


def _surplus(lines: list[str], others: list[str]) -> int:
    """Characters of the lines that only the longer text has, with the line breaks."""
    longer, size = (lines, len(others)) if len(lines) > len(others) else (others, len(lines))
    return sum(map(len, longer[size:])) + len(longer) - size


SELECTORS: dict[str, type[Selector]] = {
    "farthest": Farthest,
    "first": First,
    "shortest": Shortest,
    "most_likely": MostLikely,
}
