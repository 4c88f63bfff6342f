"""What the paper's collecting script decides, written down from its description: the oracle.

Slow and simple on purpose; shares no line with the package. Like the script it evaluates the left
side of an annotation as Python; unlike it, only a text of numbers, arithmetic signs and parentheses
gets that far, and tests must not generate powers that take long.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence

Distance = Callable[[str, str], int]

ANSWER = re.compile(r"#### (\-?[0-9\.\,]+)")
ANNOTATION = re.compile(r"<<([^>]*)>>")
ARITHMETIC = re.compile(r"[0-9a-fA-FxXoOjJ_.+\-*/%() \t\r\n\f]*")


def edit_distance(a: str, b: str) -> int:
    """Levenshtein's distance by the textbook's table."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        diagonal, row[0] = row[0], i
        for j, y in enumerate(b, start=1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (x != y))
    return row[-1]


def answer_of(text: str) -> str | None:
    """The first `#### n` before any NUL, commas removed, if that is a float."""
    found = ANSWER.search(text.split("\0")[0])
    if not found:
        return None
    number = found.group(1).replace(",", "")
    try:
        float(number)
    except ValueError:
        return None
    return number


def is_correct(annotation: str, value: Callable[[str], object] | None = None) -> bool:
    """Python's value of the first part around `=` is the float in the second, to 1e-3.

    Args:
      value: evaluates a text; a careful way of doing it unless given.
    """
    if "=" not in annotation:
        return False
    parts = annotation.split("=")
    try:
        return abs(float((value or evaluate)(parts[0])) - float(parts[1])) < 1e-3
    except Exception:
        return False


def evaluate(text: str) -> object:
    """Python's own value of an arithmetic expression; anything else is refused."""
    if not ARITHMETIC.fullmatch(text):
        raise SyntaxError(text)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return eval(text, {"__builtins__": {}}, {})  # noqa: S307 (arithmetic of our own making)


def same_answer(answer: str | None, gold: str | None) -> bool:
    """Whether two answers are equal as floats."""
    return answer is not None and gold is not None and float(answer) == float(gold)


def keep_distinct(
    responses: Sequence[str],
    distance: Distance = edit_distance,
    value: Callable[[str], object] | None = None,
) -> list[str]:
    """The kept ones of one problem's responses with the correct answer, in the script's order."""
    keys: list[str] = []
    kept: list[str] = []
    for response in responses:
        found = ANNOTATION.findall(response)
        if not all(is_correct(annotation, value) for annotation in found):
            continue
        key = "|".join(found).replace(" ", "")
        if key not in keys:
            keys.append(key)
            kept.append(response)
            continue
        place = keys.index(key)
        others = [text for text in kept if text != kept[place]]
        new = sum(distance(response, other) for other in others)
        old = sum(distance(kept[place], other) for other in others)
        if new > old:
            kept[place] = response
    return kept


def collect_paths(
    reference: str, responses: Sequence[str], distance: Distance = edit_distance
) -> list[str]:
    """The kept responses of one problem."""
    gold = answer_of(reference)
    right = [response for response in responses if same_answer(answer_of(response), gold)]
    return keep_distinct(right, distance)
