"""Calculator annotations `<<lhs=rhs>>`: finding them and deciding whether they are right."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

from rft_jax.errors import UserError
from rft_jax.verify.expressions import (
    MAX_CHARS,
    PYTHON_OPERATORS,
    MalformedError,
    exact_postfix,
    exact_value,
    python_postfix,
    python_value,
)

Finding = Literal["right", "wrong", "malformed"]

# The paper's pattern; its time grows with the square of the text where many `<<` stay open.
_ANNOTATION = re.compile(r"<<([^>]*)>>")
# Finds the same in linear time: a start whose next `>` stands alone can be no annotation, nor can a
# start before that `>`, so what follows is taken along, whatever it is.
_ANNOTATION_OR_NOT = re.compile(r"<<([^>]*)(>?>?)")
_SHORT = 4096
PAPER_TOLERANCE = 1e-3
# Nine annotations of ten are one operation on two plain numbers; they need no parser.
_PLAIN = r" *((?:[1-9][0-9]{0,14}|0)(?:\.[0-9]{1,15})?) *"
_ONE_OPERATION = re.compile(rf"{_PLAIN}([-+*/]){_PLAIN}")
_MEMO_SIZE = 100_000
_MEMO_CHARS = 200


def find_annotations(text: str) -> list[str]:
    """What stands between each `<<` and `>>`, in order, as the paper's pattern finds it."""
    if len(text) <= _SHORT:
        return _ANNOTATION.findall(text)
    found = _ANNOTATION_OR_NOT.findall(text)
    return [content for content, closing in found if closing == ">>"]


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
        match = _ONE_OPERATION.fullmatch(parts[0])
        left = one_operation(*match.groups()) if match else python_value(python_postfix(parts[0]))
    except ArithmeticError:
        return "wrong"
    except ValueError:
        return "malformed"
    return "right" if abs(left - right) < PAPER_TOLERANCE else "wrong"


def one_operation(left: str, sign: str, right: str) -> float:
    """`left sign right` as Python computes it; ZeroDivisionError is an ArithmeticError."""
    a = float(left) if "." in left else int(left)
    b = float(right) if "." in right else int(right)
    return PYTHON_OPERATORS[sign](a, b)


def check_exact(equation: str) -> Finding:
    """Exact rationals: every link of a chain `a=b=c` must hold, with no tolerance.

    Both sides may be expressions, with percent, fractions, thousands commas and currency signs.
    """
    parts = equation.split("=")
    if len(parts) < 2 or len(equation) > MAX_CHARS:
        return "malformed"
    try:
        values = [exact_value(postfix) for postfix in [exact_postfix(part) for part in parts]]
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
        memo = self._memo
        worst: Finding = "right"
        for equation in equations:
            finding = memo.get(equation) or self._finding(equation)
            if finding == "malformed":
                return finding
            if finding == "wrong":
                worst = finding
        return worst

    def verdict(self, equations: list[str]) -> str:
        """The verdict on a sample whose answer is right."""
        worst = self.worst(equations)
        return "correct" if worst == "right" else f"{worst}_equation"

    def _finding(self, equation: str) -> Finding:
        finding = self._check(equation)
        if len(equation) <= _MEMO_CHARS:
            if len(self._memo) >= _MEMO_SIZE:
                self._memo.clear()
            self._memo[equation] = finding
        return finding
