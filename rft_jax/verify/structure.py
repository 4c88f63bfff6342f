r"""What an answer is made of: values, alone, named, listed or related.

`x = 1 \text{ or } x = 2` is a list of two named numbers, `[0, 1)` an interval, `x < 3` the interval
from minus infinity to 3 that x lies in. Formulas stay text: what they mean is left to SymPy.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import TypeAlias

from rft_jax.verify.notation import squeeze, tidy
from rft_jax.verify.numbers import parse_number
from rft_jax.verify.values import Value, parse_value

MAX_CHARS = 1_000  # of an answer that is looked into; longer ones are words
MAX_DEPTH = 50  # of brackets


@dataclass(frozen=True)
class Relation:
    """An equation, or `<`, `>`, `≤`, `≥` or `≠`, between two formulas."""

    left: str
    sign: str
    right: str


@dataclass(frozen=True)
class Named:
    """An answer and what it is the value of: `x = 5`, `x ∈ [0, 1]`, `0 < x < 1`.

    Attributes:
      relation: the same as one relation; None of an inequality with two bounds.
    """

    name: str
    value: Answer
    relation: Relation | None = None


@dataclass(frozen=True)
class Several:
    r"""Answers together.

    Attributes:
      brackets: `()`, `[)`, `(]`, `[]` of a point or an interval and `:` of a ratio, whose order
        counts; "" of a list, a set or a union and `∩`, whose order does not.
    """

    brackets: str
    items: tuple[Answer, ...]


Answer: TypeAlias = Value | Relation | Named | Several

_BRACKET = r"\\begin|\\end|\\[{}]|\\.|[()\[\]{}]"
_OPENING, _CLOSING = {"(", "[", "{", "\\{", "\\begin"}, {")", "]", "}", "\\}", "\\end"}
_AND, _OR = (rf"\\text\{{ ?{w} ?\}}|(?<![A-Za-z\\]){w}(?![A-Za-z])" for w in ("and", "or"))
_LIST = rf"[,;]|{_AND}|{_OR}|\\c[ua]p(?![A-Za-z])"
_THOUSANDS = r"(?<![0-9.,])[0-9]{1,3}(?:,[0-9]{3})+(?![0-9]|,[0-9])"
_RELATION = "[=<>≤≥≠∈≈]"
FLIPPED = {"<": ">", ">": "<", "≤": "≥", "≥": "≤", "=": "=", "≠": "≠"}
# A left side that names what the right side is: letters, with indices and arguments.
_NAME = re.compile(r"[A-Za-z\\{}' ]*")
_NAME_MARKS = re.compile(r"_ ?(?:\{[^{}]*\}|.)|\([^()]*\)|\^ ?\{ ?-1 ?\}")
_CONSTANTS = {r"\pi", r"\infty", "e", "i"}
_MACRO_OR_TEXT = re.compile(r"\\text\{[^{}]*\}|\\[A-Za-z]+")
# `2 hours 30 minutes` is a list of two.
_SECOND_QUANTITY = re.compile(
    r"((?<![\\A-Za-z])[A-Za-z]{2,}|\\text\{[^{}]*\}) (?=[0-9.]+ ?(?:\\text|[A-Za-z]{2}))"
)


def parse_answer(text: str) -> Answer:
    """Reads an answer; what cannot be read otherwise is words."""
    if len(text) <= MAX_CHARS:
        return _parse_short(text)
    number = parse_number(text)
    return Value(text.strip(), number, is_words=number is None)


@lru_cache(maxsize=10_000)
def _parse_short(text: str) -> Answer:
    number = parse_number(text)
    if number is not None:
        return Value(text, number)
    plain = tidy(text)
    depth = max(accumulate(map(_step, re.findall(_BRACKET, plain))), default=0)
    if depth > MAX_DEPTH or len(plain) > 2 * MAX_CHARS:
        return Value(plain, is_words=True)
    return _parse(_SECOND_QUANTITY.sub(r"\1, ", plain))


def _step(bracket: str) -> int:
    return (bracket in _OPENING) - (bracket in _CLOSING)


def _parse(text: str) -> Answer:
    text = text.strip().removeprefix("+").lstrip()
    pieces, signs = _split(text, _LIST, _THOUSANDS)
    if signs and any(pieces):
        return _listed(text, pieces, signs)
    pieces, signs = _split(text, _RELATION)
    if signs and all(pieces):
        return _related(pieces, ["=" if sign in "∈≈" else sign for sign in signs])
    return _bracketed(text) or _single(text)


def _split(text: str, signs: str, skipped: str = r"\Z") -> tuple[list[str], list[str]]:
    """Splits at signs outside of all brackets.

    Args:
      signs: pattern of the signs.
      skipped: pattern of what is not looked into.

    Returns:
      The pieces between the signs, and the signs.
    """
    pieces, found, depth, start = [], [], 0, 0
    for match in re.finditer(rf"{skipped}|(?P<sign>{signs})|{_BRACKET}", text):
        if not match["sign"]:
            depth += _step(match[0])
        elif depth == 0:
            pieces.append(text[start : match.start()].strip())
            found.append(match[0])
            start = match.end()
    return [*pieces, text[start:].strip()], found


def _listed(text: str, pieces: Sequence[str], signs: Sequence[str]) -> Answer:
    items: tuple[Answer, ...] = ()
    for piece in filter(None, pieces):
        item = _parse(piece)
        if isinstance(item, Several) and not item.brackets and r"\pm" in piece:
            items += item.items
        else:
            items += (item,)
    if len(items) == 1:
        return items[0]
    if r"\cap" in signs:
        return Several("∩", items) if set(signs) == {r"\cap"} else Value(text)
    named = [item for item in items if isinstance(item, Named)]
    if len(named) < len(items):
        return Several("", items)
    if not all(item.relation and item.relation.sign == "=" for item in named):
        return Several("∩" if all(re.fullmatch(_AND, sign) for sign in signs) else "", items)
    if len({item.name for item in named}) < len(items):
        return Several("", items)
    named.sort(key=lambda item: item.name)  # x = 1, y = 2 is (x, y) = (1, 2)
    name = f"({','.join(item.name for item in named)})"
    return Named(name, Several("()", tuple(item.value for item in named)))


def _related(pieces: Sequence[str], signs: Sequence[str]) -> Answer:
    first, last = pieces[0], pieces[-1]
    if set(signs) == {"="}:
        whole = Relation(first, "=", last)
        if _is_name(first):
            return Named(squeeze(first), _parse(last), whole)
        if not re.search("[A-Za-z]", _MACRO_OR_TEXT.sub("", first)):  # a calculation
            return Named(squeeze(last), _parse(first), whole) if _is_name(last) else _parse(last)
    steps = tuple(map(Relation, pieces, signs, pieces[1:]))
    single = steps[0] if len(steps) == 1 else None
    return _interval(pieces, signs, single) or single or Several("∩", steps)


def _interval(
    pieces: Sequence[str], signs: Sequence[str], relation: Relation | None
) -> Named | None:
    """The interval that a variable lies in, of `x < 3`, `3 > x` or `0 < x < 3`."""
    if len(pieces) == 2:
        if not _is_name(pieces[0]):
            pieces, signs = pieces[::-1], [FLIPPED[signs[0]]]
        bound = r"-\infty" if signs[0] in "<≤" else r"\infty"
        pieces, signs = [bound, *pieces], ["<" if signs[0] in "<≤" else ">", *signs]
    if set(signs) <= {">", "≥"}:
        pieces, signs = pieces[::-1], [FLIPPED[sign] for sign in signs[::-1]]
    if len(pieces) != 3 or not set(signs) <= {"<", "≤"} or not _is_name(pieces[1]):
        return None
    brackets = ("[" if signs[0] == "≤" else "(") + ("]" if signs[1] == "≤" else ")")
    bounds = _parse(pieces[0]), _parse(pieces[2])
    return Named(squeeze(pieces[1]), Several(brackets, bounds), relation)


def _is_name(text: str) -> bool:
    letters = _NAME_MARKS.sub("", text)
    has_letters = re.search("[A-Za-z]", text) is not None
    return has_letters and text not in _CONSTANTS and _NAME.fullmatch(letters) is not None


# `101,103` of a set, without spaces; not `10,000`, of which a part begins with 0.
_WHOLE_NUMBERS = re.compile("-?[0-9]+(?:,-?(?:0|[1-9][0-9]*))+")


def _bracketed(text: str) -> Answer | None:
    """What stands in one pair of brackets: a point, an interval, a set or a single answer."""
    opening, content, closing = _enclosed(text)
    if not content:
        return None
    if opening in ("{", "\\{"):
        is_built = opening == "\\{" and re.search(r":|\||\\mid", content)
        if is_built:
            return Value(text, is_words=True)
        is_dense = opening == "\\{" and _WHOLE_NUMBERS.fullmatch(content)
        return _listed(content, *_split(content, ",")) if is_dense else _parse(content)
    has_spaces = re.search("[,;] ", content)
    pieces, signs = _split(content, "[,;]", _THOUSANDS if has_spaces else r"\Z")
    if not signs and opening + closing == "()":
        return _parse(content)
    return Several(opening + closing, tuple(map(_parse, pieces)))


def _enclosed(text: str) -> tuple[str, str, str]:
    """Opening bracket, content and closing bracket of a text in one pair of them, or nothing."""
    depth, opening = 0, ""
    for match in re.finditer(_BRACKET, text):
        opening = opening or match[0]
        if depth == 0 and (match.start() or opening not in _OPENING):
            break
        depth += _step(match[0])
        if depth == 0 and match.end() == len(text):
            return opening, text[len(opening) : match.start()].strip(), match[0]
    return "", "", ""


def _single(text: str) -> Answer:
    if match := re.fullmatch(r"\\text\{([^{}]*)\}", text):
        return _parse(match[1])
    if r"\pm" in text:
        plus, minus = text.replace(r"\mp", "-"), text.replace(r"\mp", "+")
        return Several("", (_parse(plus.replace(r"\pm", "+")), _parse(minus.replace(r"\pm", "-"))))
    terms = text.split(":")
    if len(terms) > 2 and all(terms):  # 2:4:6 is 1:2:3
        return Several(":", tuple(parse_value(f"{term}:{terms[0]}") for term in terms[1:]))
    return parse_value(text)
