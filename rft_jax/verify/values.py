r"""Single answers: a number, a formula or words, and its unit."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from rft_jax.verify.notation import squeeze
from rft_jax.verify.numbers import parse_number

_POWER = r"(?: ?\^ ?(?:[0-9]|\{ ?[0-9] ?\}))?"
_SHORT = "mm|cm|dm|km|mg|kg|ml|mL|ft|in|yd|mi|lb|oz|hr|am|pm|m/s|km/h"
# No text is read as two pieces in two ways: a search would try every mixture of them.
_UNIT_PIECES = (
    " ?%",
    r" ?\^ ?(?:\{ ?\\circ ?\}|\\circ)(?: ?[CF](?![A-Za-z]))?+",
    rf"(?: ?/)? ?\\text\{{[^{{}}]*\}}{_POWER}",
    rf"(?<=[0-9}}])(?:{_SHORT})(?![A-Za-z]){_POWER}",
    rf" [A-Za-z]+(?:/[A-Za-z]+)?{_POWER}",
    r" ?\( ?[A-Za-z][A-Za-z /]+\)",
)
_UNIT = re.compile(rf"(?:{'|'.join(_UNIT_PIECES)})+\Z")
# Letters after a space are a unit where one of them is a word or a well known one: `18 eggs a day`,
# `5 cm`, but not `2 n`.
_IS_UNIT = re.compile(rf"%|\\|[A-Za-z]{{3}}|(?<![A-Za-z])(?:{_SHORT})(?![A-Za-z])")
_MULTIPLES = {
    "hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12,
    "dozen": 12,
}  # fmt: skip
_IN_BASE = re.compile(r"([0-9A-F]+) ?_ ?(?:\{ ?(?:\\text\{)?([0-9a-z]+)\}? ?\}|([0-9]))")
_RATIO = re.compile(r"([^:]+):([^:]+)")
_MACRO = re.compile(
    r"\\(?:begin|end|math[a-z]+|bar|hat|vec|overline|operatorname) ?\{[^{}]*\}|\\[A-Za-z]+"
)


@dataclass(frozen=True)
class Value:
    """A number, a formula or words.

    Attributes:
      text: the formula or the words.
      number: the exact value, where it is a plain number.
      unit: what it counts or measures, or its base; "" where nothing is said.
      is_words: whether it can be compared as text alone.
    """

    text: str
    number: Fraction | None = None
    unit: str = ""
    is_words: bool = False

    @property
    def formula(self) -> str:
        """The text as LaTeX."""
        if self.number is None:
            return self.text
        above, below = abs(self.number.numerator), self.number.denominator
        return ("-" if self.number < 0 else "") + rf"\frac{{{above}}}{{{below}}}"

    @property
    def key(self) -> str:
        """Equal for two spellings that differ in spaces, and in the case of words and letters."""
        key = squeeze(self.text)
        return key.casefold() if self.is_words or len(key) == 1 else key


def parse_value(text: str) -> Value:
    """Reads a tidy text that is neither a list nor a relation."""
    if match := _IN_BASE.fullmatch(text):
        digits, number = match[1], parse_number(match[1])
        return Value(digits, number, f"base_{match[2] or match[3]}", is_words=number is None)
    unit = _UNIT.search(text)
    value = text[: unit.start()] if unit and _IS_UNIT.search(unit[0]) else ""
    if unit and re.search(r"[0-9\\]", value) and not _is_words(value):
        return _quantity(value, re.sub(r"\\text|[{}()]", "", unit[0]).split())
    if ratio := _RATIO.fullmatch(text):
        above, below = map(parse_number, ratio.groups())
        if above is not None and below:
            return Value(text, above / below)
        return Value(rf"\frac{{{ratio[1]}}}{{{ratio[2]}}}", is_words=_is_words(text))
    return Value(text, parse_number(text), is_words=_is_words(text))


def _quantity(text: str, words: list[str]) -> Value:
    value = parse_value(text)
    while value.number is not None and words and (multiple := _multiple(words[0])):
        number = value.number * multiple
        value, words = Value(str(number), number), words[1:]
    return Value(value.text, value.number, " ".join(words), value.is_words)


def _multiple(word: str) -> int | None:
    return _MULTIPLES.get(word.lower().removesuffix("s"))


def _is_words(text: str) -> bool:
    """Whether there are words in it: four letters in a row, or three and nothing but letters."""
    letters = _MACRO.sub(" ", text)
    return bool(
        re.search(r"[A-Za-z]{4}", letters)
        or re.fullmatch(r"[A-Za-z .'-]*[A-Za-z]{3}[A-Za-z .'-]*|[Nn][Oo]|NO", text)
    )
