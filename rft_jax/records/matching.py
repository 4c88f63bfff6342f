"""Which problem a sample of another program is about: by id, by question, or by prompt."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice

from rft_jax.records.problems import Problem

_LONGEST_ENDING = 20_000  # characters behind a question, which bounds the time of a prompt
_LONGEST_REPEATED = 1000  # characters of an ending that are looked for once more
_LONGEST_LABEL = 200  # characters in front of a question, of which the last words are its label
_ENDS_OF_LABELS = (":", "：", ">", "]")
_ENDS_OF_QUESTIONS = ("?", "？", "=")
_DIGITS = re.compile("[0-9]+")
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
    template puts behind it. Of the questions in a prompt the last one counts, unless what follows
    asks another one: then it is an example's, and the prompt's own question is of no problem. What
    is found depends on the prompt alone, not on those before it.

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
        self._last_characters = {tail[-1:] for tail in self._by_tail}
        # The last prompt and its problem: samples of one prompt stand together.
        self._latest: tuple[str | None, str | None] = (None, None)

    def find(self, identity: str | None, prompt: str | None) -> str | None:
        """The id of the problem; None if it is not among the problems.

        Args:
          identity: the id that the sample's row has; it may end in `#` and the sample's index.
          prompt: its question, or a prompt that contains it.
        """
        for name in (identity, identity and identity.rpartition("#")[0]):
            if name in self._ids:
                return name
        if prompt is None:
            return None
        if prompt != self._latest[0]:
            self._latest = prompt, self._by_prompt(prompt)
        return self._latest[1]

    def _by_prompt(self, prompt: str) -> str | None:
        folded = _folded(prompt)
        if folded in self._by_question:
            return self._by_question[folded]
        question, end = self._search(folded)
        if not question:
            return None
        before, ending = folded[: end - len(question)], folded[end:]
        if _repeats_template(before, ending) or _asks_again(_as_written(prompt, ending)):
            return None
        return self._by_question[question]

    def _search(self, prompt: str) -> tuple[str, int]:
        """The question that ends last in a prompt, the longest of several, and where it ends."""
        for end in range(len(prompt), max(0, len(prompt) - _LONGEST_ENDING), -1):
            if prompt[end - 1] in self._last_characters and (
                question := self._last_question(prompt, end)
            ):
                return question, end
        return "", 0

    def _last_question(self, text: str, end: int) -> str:
        """The longest question that the first `end` characters of a text end in."""
        tails = (text[end - length : end] for length in self._lengths if length <= end)
        same = (question for tail in tails for question in self._by_tail.get(tail, ()))
        found = (question for question in same if text.endswith(question, 0, end))
        whole = (one for one in found if not _cuts(text, end) and not _cuts(text, end - len(one)))
        return max(whole, key=len, default="")


def _repeats_template(before: str, ending: str) -> bool:
    """Whether what follows an example has the template once more.

    Either the label in front of the example (`Question:`) stands behind its solution too, or the
    prompt ends in what stands directly behind the example (`Answer:`). Numbers may differ.
    """
    ending = _DIGITS.sub("0", ending.strip())
    words = before[-_LONGEST_LABEL:].split()
    number = next((n for n in (1, 2) if _has_letters("".join(words[-n:]))), 0)
    label = _DIGITS.sub("0", " ".join(words[-number:] if number else []))
    if label.endswith(_ENDS_OF_LABELS) and f" {label}" in ending:
        return True
    return any(
        ending.endswith(ending[:length])
        and not _is_in_word(ending, length)
        and not _is_in_word(ending, len(ending) - length)
        and _has_letters(ending[:length])
        for length in range(2, min(len(ending) // 2, _LONGEST_REPEATED) + 1)
    )


def _has_letters(text: str) -> bool:
    return any(map(str.isalpha, text))


def _is_in_word(text: str, place: int) -> bool:
    sides = text[place - 1 : place + 1]
    return sides.isascii() and sides.isalnum()


def _asks_again(ending: str) -> bool:
    """Whether a line behind an example and its solution ends as questions do."""
    lines = filter(None, map(str.strip, ending.splitlines()))
    return any(line.endswith(_ENDS_OF_QUESTIONS) for line in islice(lines, 1, None))


def _as_written(prompt: str, ending: str) -> str:
    """The ending of a folded prompt, with its line breaks."""
    left = sum(map(len, ending.split()))
    place = len(prompt)
    while left:
        place -= 1
        left -= not prompt[place].isspace()
    return prompt[place:]


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
