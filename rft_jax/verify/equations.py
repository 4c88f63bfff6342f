"""Calculator annotations `<<lhs=rhs>>`: finding them and deciding whether they are right."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

from rft_jax.errors import UserError
from rft_jax.verify.expressions import (
    MAX_CHARS,
    MalformedError,
    exact_postfix,
    exact_value,
    python_postfix,
    python_value,
)

Finding = Literal["right", "wrong", "malformed"]

# The paper's pattern is <<([^>]*)>>. Taking what follows along, whatever it is, keeps the search
# linear: a start whose next `>` stands alone can be no annotation, nor can a start before that `>`.
_ANNOTATION = re.compile(r"<<([^>]*)(>?>?)")
PAPER_TOLERANCE = 1e-3
_MEMO_SIZE = 100_000
_MEMO_CHARS = 200


def find_annotations(text: str) -> list[str]:
    """What stands between each `<<` and `>>`, in order, as the paper's pattern finds it."""
    if "<<" not in text:
        return []
    return [content for content, closing in _ANNOTATION.findall(text) if closing == ">>"]


def check_paper(equation: str) -> Finding:
    """Decides as the paper's script does, without running anything.

    Text before the first `=` is an expression of Python's, text up to the second `=` must be a
    float; right when they differ by less than 1e-3. Never right: division by zero, nan, inf, what
    goes beyond the limits of `expressions`.
    """
    parts = equation.split("=", 2)
    if len(parts) < 2 or len(parts[1]) > MAX_CHARS:
        return "malformed"
    try:
        right = float(parts[1])
        left = python_value(python_postfix(parts[0]))
    except ArithmeticError:
        return "wrong"
    except ValueError:
        return "malformed"
    return "right" if abs(left - right) < PAPER_TOLERANCE else "wrong"


def check_exact(equation: str) -> Finding:
    """Exact rationals: every link of a chain `a=b=c` must hold, with no tolerance.

    Both sides may be expressions, with percent, fractions, thousands commas and currency signs.
    """
    parts = equation.split("=")
    if len(parts) < 2 or len(equation) > MAX_CHARS:
        return "malformed"
    try:
        values = [exact_value(exact_postfix(part)) for part in parts]
    except MalformedError:
        return "malformed"
    except ArithmeticError:
        return "wrong"
    return "right" if all(value == values[0] for value in values) else "wrong"


_CHECKS: dict[str, Callable[[str], Finding]] = {"paper": check_paper, "exact": check_exact}
EQUATION_MODES = tuple(_CHECKS)


class EquationChecker:
    """One of the two checks, with a memory of bounded size: models repeat their equations.

    Raises:
      UserError: there is no such mode.
    """

    def __init__(self, mode: str) -> None:
        if mode not in _CHECKS:
            raise UserError(f"equations = {mode!r}; there are {', '.join(_CHECKS)}")
        self._check = _CHECKS[mode]
        self._memo: dict[str, Finding] = {}

    def worst(self, equations: list[str]) -> Finding:
        """`malformed` if any is, else `wrong` if any is, else `right`."""
        found = {self._finding(equation) for equation in equations}
        if "malformed" in found:
            return "malformed"
        return "wrong" if "wrong" in found else "right"

    def _finding(self, equation: str) -> Finding:
        finding = self._memo.get(equation)
        if finding is None:
            finding = self._check(equation)
            if len(equation) <= _MEMO_CHARS:
                if len(self._memo) >= _MEMO_SIZE:
                    self._memo.clear()
                self._memo[equation] = finding
        return finding
