"""Calculator annotations `<<lhs=rhs>>`: finding them and deciding whether they are correct."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Literal

from rft_jax.arithmetic.values import rounded
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

Finding = Literal["correct", "wrong_equation", "malformed_equation"]

# The paper's pattern; its time grows with the square of the text where many `<<` stay open.
_ANNOTATION = re.compile(r"<<([^>]*)>>")
# Finds the same in linear time: a start whose next `>` stands alone cannot be an annotation, nor
# can a start before that `>`, so the match continues after it.
_ANNOTATION_OR_NOT = re.compile(r"<<([^>]*)(>?>?)")
_SHORT = 4096
_ROUND_BRACKETS = str.maketrans("[]", "()")
EQUATION_TOLERANCE = 1e-3
"""How far apart the paper's script lets the two sides of an equation be."""
# Nine annotations of ten are one operation on two plain numbers; they need no parser.
_PLAIN = r" *((?:[1-9][0-9]{0,14}|0)(?:\.[0-9]{1,15})?) *"
_ONE_OPERATION = re.compile(rf"{_PLAIN}([-+*/]){_PLAIN}")
_MEMO_SIZE = 100_000
_MEMO_CHARS = 200


def find_annotations(text: str) -> list[str]:
    """The contents of all `<<…>>`, in order, as the paper's pattern finds them."""
    if len(text) <= _SHORT:
        return _ANNOTATION.findall(text)
    found = _ANNOTATION_OR_NOT.findall(text)
    return [content for content, closing in found if closing == ">>"]


def replace_annotations(text: str, change: Callable[[str], str]) -> str:
    """The text with the contents of all annotations changed."""

    def changed(match: re.Match[str]) -> str:
        content, closing = match.groups()
        return f"<<{change(content)}>>" if closing == ">>" else match[0]

    return _ANNOTATION_OR_NOT.sub(changed, text)


def check_paper(equation: str) -> Finding:
    """Decides as the paper's script does, without running anything.

    Text before the first `=` is an expression of Python's, text up to the second `=` must be a
    float; correct when they differ by less than 1e-3. Never correct: division by zero, nan, inf,
    what exceeds the limits of `expressions`.
    """
    parts = equation.split("=", 2)
    if len(parts) < 2 or len(parts[1]) > MAX_CHARS:
        return "malformed_equation"
    try:
        right = float(parts[1])
        match = _ONE_OPERATION.fullmatch(parts[0])
        left = one_operation(*match.groups()) if match else python_value(python_postfix(parts[0]))
    except ArithmeticError:
        return "wrong_equation"
    except ValueError:
        return "malformed_equation"
    return "correct" if abs(left - right) < EQUATION_TOLERANCE else "wrong_equation"


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
        return "malformed_equation"
    try:
        values = [exact_value(postfix) for postfix in [exact_postfix(part) for part in parts]]
    except MalformedError:
        return "malformed_equation"
    except ArithmeticError:
        return "wrong_equation"
    return "correct" if all(value == values[0] for value in values) else "wrong_equation"


def first_wrong_side(sides: Sequence[str]) -> tuple[int, Finding] | None:
    """The first side of a chain, by its index, that does not equal the first side exactly.

    The last side may be the value rounded as answers of arithmetic are. Brackets may be square.
    """
    value: Fraction | None = None
    for index, side in enumerate(sides):
        try:
            found = exact_value(exact_postfix(side.translate(_ROUND_BRACKETS)))
        except MalformedError:
            return index, "malformed_equation"
        except ArithmeticError:
            return index, "wrong_equation"
        value = found if value is None else value
        may_round = index == len(sides) - 1
        if found != value and not (may_round and found == rounded(value)):
            return index, "wrong_equation"
    return None


def check_rounded(equation: str) -> Finding:
    """As `check_exact`, but the last link may round to two decimals; brackets may be square."""
    sides = equation.split("=")
    if len(sides) < 2 or len(equation) > MAX_CHARS:
        return "malformed_equation"
    fault = first_wrong_side(sides)
    return fault[1] if fault else "correct"


def explain(equation: str, finding: Finding) -> str:
    """What is the matter with an equation, in words."""
    if finding == "malformed_equation":
        return f"{equation!r:.80} is not an equation of numbers"
    left = equation.split("=")[0]
    try:
        value = f" ({left.strip():.60} is {float(exact_value(exact_postfix(left))):g})"
    except (ValueError, ArithmeticError):
        value = ""
    return f"{equation:.80} is incorrect{value}"


CHECKS: dict[str, Callable[[str], Finding]] = {
    "paper": check_paper,
    "exact": check_exact,
    "rounded": check_rounded,
}


class EquationChecker:
    """One of the CHECKS, with a memory of bounded size: models repeat their equations.

    Raises:
      UserError: there is no such mode.
    """

    def __init__(self, mode: str) -> None:
        if mode not in CHECKS:
            raise UserError(f"equations = {mode!r}; there are {', '.join(CHECKS)}")
        self._check = CHECKS[mode]
        self._memo: dict[str, Finding] = {}

    def first_fault(self, equations: Sequence[str]) -> tuple[str, Finding] | None:
        """The equation that decides, and its finding; None when all are correct.

        It is the first malformed one, else the first incorrect one.
        """
        memo = self._memo
        fault: tuple[str, Finding] | None = None
        for equation in equations:
            finding = memo.get(equation) or self._finding(equation)
            if finding == "correct":
                continue
            if finding == "malformed_equation":
                return equation, finding
            fault = fault or (equation, finding)
        return fault

    def _finding(self, equation: str) -> Finding:
        finding = self._check(equation)
        if len(equation) <= _MEMO_CHARS:
            if len(self._memo) >= _MEMO_SIZE:
                self._memo.clear()
            self._memo[equation] = finding
        return finding
