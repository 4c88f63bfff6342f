"""The first wrong step of a response to an expression, and what went wrong in it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from rft_jax.verify.equations import first_wrong_side

# A fraction in brackets is one number: that is how values are written that don't end.
_TOKEN = re.compile(
    r"[(\[]-?[0-9]+/[0-9]+[)\]]|(?:(?<![0-9.%)\]])-)?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)%?|[-+*/()\[\]]"
)

_NO_NUMBER = "+-*/(["


class Fault(NamedTuple):
    """A wrong step.

    Attributes:
      step: its number, from 1.
      kind: `operation` (one operation was done, with an incorrect result), `copying` (what no
        operation was done on has changed) or `malformed` (it is not an expression).
    """

    step: int
    kind: str


def first_fault(expression: str, steps: str) -> Fault | None:
    """The first form that is not equal to the expression; None where all are.

    Args:
      expression: without `=`.
      steps: the response, forms with `=` between them; the last may be rounded.
    """
    sides = [expression, *steps.split("=")]
    found = first_wrong_side(sides)
    if found is None:
        return None
    index, finding = found
    if finding == "malformed_equation":
        return Fault(index, "malformed")
    return Fault(index, _kind(tokens_of(sides[index - 1]), tokens_of(sides[index])))


def tokens_of(form: str) -> list[str]:
    """Numbers, signs and brackets of a form."""
    return _TOKEN.findall(form)


def _kind(before: Sequence[str], after: Sequence[str]) -> str:
    """Whether all tokens are copied but those of one operation, in place of which is one number."""
    in_front, behind = _common(before, after), _common(before[::-1], after[::-1])
    for start in range(min(in_front, len(after) - 1) + 1):
        end = len(after) - 1 - start
        replaced = before[start : len(before) - end]
        if end <= behind and after[start][-1] not in _NO_NUMBER and _calculates(replaced):
            return "operation"
    return "copying"


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """How many tokens both begin with."""
    pairs = zip(one, other, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _calculates(tokens: Sequence[str]) -> bool:
    return len(tokens) > 1 or any("/" in token for token in tokens)
