r"""Where a response, or a reference solution, says its final answer.

Ways to read an answer (`answer_reader`):

- `first`: the first `#### n`, as the paper's code reads it (digits, dots, commas; text after a NUL
  does not count; commas are taken out; what is not a float is not an answer).
- `last`: the line after the last `####`.
- `boxed`: the last `\boxed{…}`, or several that only commas, "and" or "or" stand between.
- `the_answer_is`: what follows the last "the answer is", up to the end of the clause.
- `arithmetic`: what follows the last `=` of an expression's steps, in any of their formats; with
  `####` the line after the last one.
- `strict`, `flexible`: the two filters of lm-evaluation-harness for GSM8K (first `#### n`; last
  number anywhere).

`first` and `strict` read a number only where the reference is one. To any other reference (`1/2`,
`3:2`, `B`, a formula) they read the line after the first `####`, as references are read.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Sequence

from rft_jax.arithmetic.reading import asks_for_value, plain_steps
from rft_jax.errors import UserError
from rft_jax.records import PROGRAM

_NUMBER_MARK = re.compile(r"#### (-?[0-9.,]+)")
_NUMBER = re.compile(r"-?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]*)(?:\.[0-9]*)?")
_LINE_MARK = re.compile(r"####[ \t]*([^\s#][^\n\0]*)")
_ANY_NUMBER = re.compile(r"-?[$0-9.,]+")
_PHRASE = re.compile(
    r"the\s+(?:final\s+|correct\s+)?answer\s+is"
    r"(?:\s+(?:therefore|thus|then|hence|simply|just|equal\s+to)(?![A-Za-z]))*[\s:*=]*",
    re.IGNORECASE,
)
_DISPLAY = re.compile(r"\\\[(.*?)\\\]|\$\$(.*?)\$\$", re.DOTALL)
_CLAUSE_END = re.compile(
    r"\n|[.!?](?=\s|$)|,\s+(?:as|so)(?![A-Za-z])"
    r"|(?:,|(?<!\s))\s+(?:because|since|which|where|when|after|if|but)(?![A-Za-z])"
)
# Without a brace one letter or another sign counts, but not the word after `\boxed` in prose.
_BOX = re.compile(
    r"\\(?:boxed|fbox|framebox)\s*(?:(\{)|([^\s{}$A-Za-z][^\s$]*|[A-Za-z](?![A-Za-z])))"
)
_BETWEEN_BOXES = re.compile(r"[\s$]*(?:[,;]|(?:,\s*)?(?:and|or)(?![A-Za-z]))[\s$]*")
_MOST_BOXES = 10
# A reference without any mark is an answer by itself when it is no longer than this.
_MAX_BARE_REFERENCE = 200

Reader = Callable[[str], str | None]


def answer_reader(mode: str, reference: str = "0") -> Reader:
    """The function that reads the final answer of a response, or None.

    Args:
      mode: one of `READERS`, see the module's docstring.
      reference: the answer that responses will be compared with.

    Raises:
      UserError: there is no such mode.
    """
    if mode not in READERS:
        raise UserError(f"answers = {mode!r}; there are {', '.join(READERS)}")
    if mode in _READ_NUMBERS and _as_number(reference) is None:
        return _read_first_line
    return READERS[mode]


def answer_formats() -> tuple[str, ...]:
    """Values of the setting `answers`: a reader's name, or PROGRAM for what a program prints."""
    return (*READERS, PROGRAM)


def answers_for(questions: Sequence[str], answers: str) -> str:
    """Where responses to these questions say their answers.

    `answers`, but after the last `=` where that is `first` and all ask for an expression's value.
    """
    are_values = answers == "first" and are_expressions(questions)
    return ARITHMETIC if are_values else answers


def are_expressions(questions: Sequence[str]) -> bool:
    """Whether all of the questions ask for the value of an expression; False if there is none."""
    return bool(questions) and all(map(asks_for_value, questions))


def _read_first_number(text: str) -> str | None:
    match = _NUMBER_MARK.search(text.partition("\0")[0] if "\0" in text else text)
    return None if match is None else _as_float_text(match[1])


def _as_float_text(digits: str) -> str | None:
    if digits.isdigit():
        return digits
    digits = digits.replace(",", "")
    try:
        float(digits)
    except ValueError:
        return None
    return digits


def _as_number(text: str) -> str | None:
    """A text that is a number to `first`, from beginning to end, as `first` reads it."""
    return _as_float_text(text) if _NUMBER.fullmatch(text) else None


def _read_first_line(text: str) -> str | None:
    match = _LINE_MARK.search(text)
    return None if match is None else match[1].strip()


def _read_last_line(text: str) -> str | None:
    match = _last_match(_LINE_MARK, text)
    return None if match is None else match[1].strip()


def _last_match(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    return next(iter(deque(pattern.finditer(text), maxlen=1)), None)


def _read_boxed(text: str) -> str | None:
    contents: list[str] = []
    start = None
    for match in reversed(list(deque(_BOX.finditer(text), maxlen=_MOST_BOXES))):
        content, end = _boxed_content(text, match)
        if not content:
            continue
        if start is not None and not _BETWEEN_BOXES.fullmatch(text, end, max(start, end)):
            break
        start = match.start()
        if content not in contents:
            contents.insert(0, content)
    return ", ".join(contents) or None


def _boxed_content(text: str, match: re.Match[str]) -> tuple[str, int]:
    """What a box holds, "" where its brace is never closed, and where it ends."""
    if match[2]:
        return match[2], match.end()
    depth = 1
    for brace in re.compile(r"\\.|[{}]", re.DOTALL).finditer(text, match.end()):
        depth += {"{": 1, "}": -1}.get(brace[0], 0)
        if depth == 0:
            return text[match.end() : brace.start()].strip(), brace.end()
    return "", len(text)


def _read_phrase(text: str) -> str | None:
    last = _last_match(_PHRASE, text)
    if last is None:
        return None
    rest = text[last.end() :]
    if display := _DISPLAY.match(rest):
        rest = (display[1] or display[2]).strip()
    answer = _CLAUSE_END.split(rest, maxsplit=1)[0].strip(" \t*")
    return _read_boxed(rest) if "\\boxed" in answer else answer or None


def _read_strict(text: str) -> str | None:
    match = _NUMBER_MARK.search(text)
    return None if match is None else _drop_ignored(match[1])


def _read_flexible(text: str) -> str | None:
    last = ""
    for match in _ANY_NUMBER.finditer(text):
        last = match[0] if any(map(str.isdigit, match[0])) else last
    return _drop_ignored(last)


def _drop_ignored(text: str) -> str | None:
    """What lm-evaluation-harness compares: without commas, dollar signs and dots at the end."""
    return text.replace(",", "").replace("$", "").rstrip(".") or None


def _read_last_form(text: str) -> str | None:
    if "####" in text:
        return _read_last_line(text)
    return plain_steps(text.strip()).rpartition("=")[2].strip() or None


ARITHMETIC = "arithmetic"
READERS: dict[str, Reader] = {
    "first": _read_first_number,
    "last": _read_last_line,
    "boxed": _read_boxed,
    "the_answer_is": _read_phrase,
    "strict": _read_strict,
    "flexible": _read_flexible,
    ARITHMETIC: _read_last_form,
}


def readers_of(text: str) -> list[str]:
    """Names of the readers that find an answer in a response to a question in words."""
    return [name for name, read in READERS.items() if name != ARITHMETIC and read(text) is not None]


UNREAD = 0.5
"""The share of responses without an answer above which other readers are named."""
IN_RUNNING_TEXT = ("boxed", "the_answer_is")
"""Answer formats in whose answers' sentence or formula more may follow, which closes it."""
_READ_NUMBERS = ("first", "strict")
_READ_MARKS = ("first", "last", "strict", "flexible")


def read_marked(text: str) -> str | None:
    """The answer behind the first mark that a text has: `####`, "the answer is", or a box."""
    readers = (_read_last_line, _read_phrase, _read_boxed)
    return next(filter(None, (read(text) for read in readers)), None)


def reference_answer(answer: str, mode: str = "first") -> str | None:
    r"""The final answer of a reference solution, or None when it says none.

    It is what the mode reads, where that is not `#### n` or a number anywhere, else the line after
    the last `####`, else the last `\boxed{…}`, else the whole text when that is one short line
    without `####`. A line after `####` comes before "the answer is".
    """
    own = [] if mode in _READ_MARKS else [READERS[mode]]
    in_order = [_read_last_line, *own] if mode == "the_answer_is" else [*own, _read_last_line]
    marked = next(filter(None, (read(answer) for read in (*in_order, _read_boxed))), None)
    bare = answer.strip()
    is_bare = "\n" not in bare and "####" not in bare and len(bare) <= _MAX_BARE_REFERENCE
    if marked is None and is_bare:
        marked = bare or None
    return marked and (_as_number(marked) or marked)
