r"""Final answers: where a response says them, and when two of them are equal.

Ways to read an answer (`extract_answer`):

- `first`: the first `#### n`, as the paper's code reads it (digits, dots, commas; text after a NUL
  does not count; commas are taken out; what is no float is no answer).
- `last`: the last such mark.
- `boxed`: the last `\boxed{…}`.
- `the_answer_is`: what follows the last "the answer is", up to the end of the sentence.
- `strict`, `flexible`: the two filters of lm-evaluation-harness for GSM8K (first `#### n`; last
  number anywhere).
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Hashable
from fractions import Fraction

from rft_jax.errors import UserError
from rft_jax.verify.numbers import parse_number

_MARK = re.compile(r"#### (-?[0-9.,]+)")
_ANY_NUMBER = re.compile(r"-?[$0-9.,]{2,}|-?[0-9]+")
_PHRASE = re.compile(r"the\s+(?:final\s+|correct\s+)?answer\s+is:?", re.IGNORECASE)
_SENTENCE_END = re.compile(r"\n|[.!?](?:\s|$)")
# A number and its unit in words: `$1,200 per month`.
_QUANTITY = re.compile(r"([-+−]?[$€£¥₹]?[0-9][0-9,]*(?:\.[0-9]+)?%?)(?: +[A-Za-z]{2,})+")
_BOXED = re.compile(r"\\(?:boxed|fbox)\s*")
_MATH_MARKS = (("\\(", "\\)"), ("\\[", "\\]"), ("$$", "$$"), ("$", "$"))
_SPACING = re.compile(r"\\(?:left|right|displaystyle)(?![A-Za-z])|(?<!\\)\\[!,;: ]|[\s~]")
_TEXT_MACRO = re.compile(r"\\(?:text|textbf|mathrm|mbox)\{([^{}]*)\}")
# A number that goes on as a formula: `1/2`, `3\sqrt{2}`, `2^5`.
_FORMULA = re.compile(r"-?[0-9.,]+ ?[/\\^*(+]")
# A reference without any mark is an answer by itself when it is no longer than this.
_MAX_BARE_REFERENCE = 200


def extract_answer(text: str, mode: str = "first") -> str | None:
    """The final answer that a response gives, or None.

    Args:
      mode: one of `READERS`, see the module's docstring.
    """
    return answer_reader(mode)(text)


def answer_reader(mode: str) -> Callable[[str], str | None]:
    """The function behind `extract_answer` for one mode.

    Raises:
      UserError: there is no such mode.
    """
    if mode not in READERS:
        raise UserError(f"answers = {mode!r}; there are {', '.join(READERS)}")
    return READERS[mode]


def _read_first(text: str) -> str | None:
    match = _MARK.search(text.partition("\0")[0] if "\0" in text else text)
    return None if match is None else _as_float_text(match[1])


def _read_last(text: str) -> str | None:
    start = text.rfind("#### ")
    while start >= 0:
        if match := _MARK.match(text, start):
            return _as_float_text(match[1])
        start = text.rfind("#### ", 0, start)
    return None


def _as_float_text(digits: str) -> str | None:
    if digits.isdigit():
        return digits
    digits = digits.replace(",", "")
    try:
        float(digits)
    except ValueError:
        return None
    return digits


def _read_boxed(text: str) -> str | None:
    matches = list(_BOXED.finditer(text))
    for match in reversed(matches[-10:]):
        if text[match.end() : match.end() + 1] == "{":
            content = _balanced(text, match.end())
        else:
            content = re.split(r"[\s$]", text[match.end() : match.end() + 100], maxsplit=1)[0]
        if content:
            return content.strip() or None
    return None


def _balanced(text: str, start: int) -> str | None:
    """What stands between the brace at `start` and its partner; None when that is missing."""
    depth = 0
    for brace in re.finditer(r"\\.|[{}]", text[start:], re.DOTALL):
        depth += {"{": 1, "}": -1}.get(brace[0], 0)
        if depth == 0:
            return text[start + 1 : start + brace.start()]
    return None


def _read_phrase(text: str) -> str | None:
    last = _last_match(_PHRASE, text)
    if last is None:
        return None
    end = _SENTENCE_END.search(text, last.end())
    answer = text[last.end() : end.start() if end else len(text)].strip(" \t*:")
    quantity = _QUANTITY.fullmatch(answer)
    return (quantity[1] if quantity else answer) or None


def _last_match(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    return next(iter(deque(pattern.finditer(text), maxlen=1)), None)


def _read_strict(text: str) -> str | None:
    match = _MARK.search(text)
    return None if match is None else _drop_ignored(match[1])


def _read_flexible(text: str) -> str | None:
    last = _last_match(_ANY_NUMBER, text)
    return None if last is None else _drop_ignored(last[0])


def _drop_ignored(text: str) -> str | None:
    """What lm-evaluation-harness compares: without commas, dollar signs and a dot at the end."""
    return text.replace(",", "").replace("$", "").removesuffix(".") or None


READERS: dict[str, Callable[[str], str | None]] = {
    "first": _read_first,
    "last": _read_last,
    "boxed": _read_boxed,
    "the_answer_is": _read_phrase,
    "strict": _read_strict,
    "flexible": _read_flexible,
}
_UNMARKED = ("the_answer_is", "flexible")


def reference_answer(answer: str, mode: str = "first") -> str | None:
    r"""The final answer of a problem's worked solution, or None when it says none.

    It is read as responses are, but for words that may stand anywhere in a solution: before them
    goes a `#### n`. Where that finds nothing, or only the first part of a formula (`#### 1/2`), it
    is what follows `####`, else the last `\boxed{…}`, else the whole text when that is one short
    line.
    """
    marked = answer.rpartition("#### ")[2].split("\n")[0].strip() if "#### " in answer else ""
    read = extract_answer(answer, "first" if marked and mode in _UNMARKED else mode)
    if read is not None and not _FORMULA.match(marked):
        return read
    bare = answer.strip()
    is_short = "\n" not in bare and len(bare) <= _MAX_BARE_REFERENCE
    return marked or _read_boxed(answer) or (bare if is_short else None) or None


def answer_value(text: str) -> Hashable:
    """What equal answers share: the exact rational of a number, else the text, normalised.

    Use it to count votes: "18", "18.0" and "$18" are one vote.
    """
    number = parse_number(text)
    if number is not None:
        return number
    plain = normalise_answer(text)
    number = parse_number(plain)
    return plain if number is None else number


def is_number(text: str) -> bool:
    """Whether `answer_value` is a number."""
    return isinstance(answer_value(text), Fraction)


def answers_equal(a: str | None, b: str | None) -> bool:
    """Whether two answers have the same value; a missing answer equals nothing.

    Formulas are compared as normalised text; `verify.symbolic` compares what they mean.
    """
    return a is not None and b is not None and answer_value(a) == answer_value(b)


def normalise_answer(text: str) -> str:
    r"""Takes away what changes no meaning: math marks, spacing, `\text{…}`, a final dot."""
    text = text.strip().removesuffix(".").rstrip()
    for left, right in _MATH_MARKS:
        if len(text) > len(left + right) and text.startswith(left) and text.endswith(right):
            text = text[len(left) : -len(right)].strip()
    text = _TEXT_MACRO.sub(r"\1", text)
    text = text.replace("\\dfrac", "\\frac").replace("\\tfrac", "\\frac").replace("−", "-")
    return _SPACING.sub("", text).removesuffix(".")
