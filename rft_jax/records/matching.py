"""Which problem a sample of another program is about: by id, by question, or by prompt."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rft_jax.records.problems import Problem

_MOST_ENDINGS = 8  # one for each template of a file
_TAIL = 24  # characters by which questions are looked up
_NEAR = 16  # characters on each side that say whether a word or a calculation is cut
# A word or a number, and what is calculated with it: `12 + 3.5`, `x*(2`, `=4`. What stands beside
# a sign with a space is calculated with if it is a number (not in `Question - 3 ducks`); the sign
# may be the next number's own (`1+1=2 -2+2=`).
_PART = r"[A-Za-z0-9]+(?:(?<=[0-9])[.,][0-9]+)*"
_SIGN = r"[-+*/^%×÷]"
_WHOLE = re.compile(
    rf"{_PART}(?:\)*{_SIGN}\(*[-+]?{_PART}"
    rf"|(?<=[0-9])\)* ?{_SIGN} \(*[-+]?(?=[0-9]){_PART}"
    rf"|\)*=[-+]?(?=[0-9]){_PART})*"
)


def _folded(question: str) -> str:
    return " ".join(question.split())


def _cuts(text: str, place: int) -> bool:
    """Whether a place is inside a word or a calculation: `112+2=` does not ask `2+2=`."""
    start = max(0, place - _NEAR)
    wholes = _WHOLE.finditer(text[start : place + _NEAR])
    return any(whole.start() < place - start < whole.end() for whole in wholes)


class Matcher:
    """Finds the problem of a sample.

    A prompt contains its question, which cuts no word or calculation of it, and ends in what the
    template puts behind it. That is found by searching a prompt for all questions, and is cut off
    the others. Prompts of other problems are searched in vain, each once where its samples stand
    together.

    Args:
      problems: of two with the same question the first is found.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        self._ids = {problem.id for problem in problems}
        self._by_question: dict[str, str] = {}
        for problem in problems:
            self._by_question.setdefault(_folded(problem.question), problem.id)
        self._by_tail: dict[str, list[str]] = {}
        for question in sorted(self._by_question, key=len, reverse=True):
            self._by_tail.setdefault(question[-_TAIL:], []).append(question)
        self._lengths = {len(tail) for tail in self._by_tail} - {0}
        self._endings: list[str] = []
        self._foreign: str | None = None  # the last prompt that was searched in vain

    def find(self, identity: str | None, prompt: str | None) -> str | None:
        """The id of the problem; None if it is not among the problems.

        Args:
          identity: the id that the sample's row has; it may end in `#` and the sample's index.
          prompt: its question, or a prompt that contains it.
        """
        for name in (identity, identity and identity.rpartition("#")[0]):
            if name in self._ids:
                return name
        return None if prompt is None else self._by_prompt(_folded(prompt))

    def _by_prompt(self, prompt: str) -> str | None:
        if prompt in self._by_question:
            return self._by_question[prompt]
        for ending in self._endings:
            end = len(prompt.removesuffix(ending).rstrip()) if prompt.endswith(ending) else 0
            if found := self._last_question(prompt, end):
                return self._by_question[found]
        if prompt == self._foreign or len(self._endings) == _MOST_ENDINGS:
            return None
        found = self._search(prompt)
        if found is None:
            self._foreign = prompt
        return found

    def _last_question(self, text: str, end: int) -> str | None:
        """The longest question that the first `end` characters of a text end in."""
        tails = (text[end - length : end] for length in self._lengths if length <= end)
        same = (question for tail in tails for question in self._by_tail.get(tail, ()))
        found = (question for question in same if text.endswith(question, 0, end))
        whole = (one for one in found if not _cuts(text, end) and not _cuts(text, end - len(one)))
        return max(whole, key=len, default=None)

    def _search(self, prompt: str) -> str | None:
        """The question that ends last in a prompt, the longest of several; notes what follows."""
        for end in range(len(prompt), 0, -1):
            if question := self._last_question(prompt, end):
                self._endings.append(prompt[end:])
                return self._by_question[question]
        return None


def explain_unmatched(identity: str | None, prompt: str | None, where: str) -> str:
    """The message for a sample whose problem is not found.

    Args:
      identity, prompt: as in `Matcher.find`.
      where: file and line.
    """
    fix = "name the problems that were sampled, or remove the line"
    if prompt is None and identity is None:
        return (
            f"{where}: neither an id nor a question; add the question, or the problem's id "
            "('custom_id' of a batch), or say which column has it: --columns question=NAME"
        )
    if prompt is None:
        return f"{where}: no problem has the id {identity!r:.80}; {fix}"
    named = "" if identity is None else f"the id {identity!r:.80} or "
    return f"{where}: no problem has {named}the question {' '.join(prompt.split())!r:.80}; {fix}"
