"""Word sequences that training data shares with a test set."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rft_jax.data.sources import load_problems
from rft_jax.records import Problem
from rft_jax.rft.settings import CollectSettings
from rft_jax.rft.tally import Tally
from rft_jax.verify.running_text import drop_annotations

# Scripts without spaces between words: Thai to Khmer, Japanese, Chinese. A character is a word.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+(?:[.,][0-9]+)*")


def words(text: str) -> list[str]:
    """The words and numbers of a text, in lower case; annotations repeat them and are left out."""
    return _WORD.findall(drop_annotations(text).lower())


def ngrams(text: str, n: int) -> Iterator[str]:
    """All sequences of n words, in order."""
    found = words(text)
    return (" ".join(found[start : start + n]) for start in range(len(found) - n + 1))


@dataclass(frozen=True)
class Exclusion:
    """What of a problem is left out of the training data.

    Attributes:
      question: the problem with all its paths.
      human: its reference solution.
      texts: sampled paths, in order.
    """

    question: bool = False
    human: bool = False
    texts: tuple[str, ...] = ()


NOTHING = Exclusion()


def make_decontaminator(settings: CollectSettings) -> Decontaminator | None:
    """The decontaminator that the settings ask for."""
    if not settings.decontaminate:
        return None
    test = load_problems(settings.decontaminate)
    return Decontaminator(test, settings.ngrams, settings.remove_ngram)


class Decontaminator:
    """Looks for what questions and paths share with the questions and paths of a test set.

    Args:
      test: the test set.
      lengths: how many words in a row count as overlap; each is reported by itself.
      remove: the length at which questions and paths are left out, 0 for none.
    """

    def __init__(self, test: Sequence[Problem], lengths: Sequence[int], remove: int) -> None:
        self._lengths, self._remove = tuple(lengths), remove
        self._questions = {" ".join(words(problem.question)): problem.id for problem in test}
        self._known: dict[int, dict[str, str]] = {}
        for n in {*lengths, remove} - {0}:
            known = self._known[n] = {}
            for problem in test:
                for ngram in (*ngrams(problem.question, n), *ngrams(problem.answer, n)):
                    known.setdefault(ngram, problem.id)

    def find(self, text: str, n: int) -> tuple[str, str] | None:
        """The first shared sequence of n words and a test problem that has it, or None."""
        known = self._known[n]
        return next(((ngram, known[ngram]) for ngram in ngrams(text, n) if ngram in known), None)

    def find_question(self, question: str, n: int) -> tuple[str, str] | None:
        """As `find`; a test question of fewer words counts where the whole question is the same."""
        text = " ".join(words(question))
        copied = self._questions.get(text) if text else None
        return self.find(question, n) or (None if copied is None else (text, copied))

    def exclude(self, problem: Problem, sampled: Sequence[str]) -> Exclusion:
        """What of a problem is to be left out.

        Args:
          sampled: its correct paths.
        """
        if not self._remove:
            return NOTHING
        return Exclusion(
            question=self.find_question(problem.question, self._remove) is not None,
            human=self.find(problem.answer, self._remove) is not None,
            texts=tuple(
                text for text in dict.fromkeys(sampled) if self.find(text, self._remove) is not None
            ),
        )

    def count(self, tally: Tally, place: int, problem: Problem, sampled: Sequence[str]) -> None:
        """Adds what a problem's question and its paths share with the test set."""
        texts = [("question", problem.question), ("human", problem.answer)]
        texts += [("sampled", text) for text in sampled]
        rows = []
        for kind, text in texts:
            for n in self._lengths:
                find = self.find_question if kind == "question" else self.find
                if found := find(text, n):
                    shared, test = found
                    tally.overlaps[kind, n] += 1
                    rows.append(
                        {"id": problem.id, "in": kind, "n": n, "shared": shared, "with": test}
                    )
        if rows:
            tally.contaminated[place] = rows
