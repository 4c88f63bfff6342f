"""Settings of generated arithmetic; the defaults are the mix of MathGLM's test set."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar

from rft_jax.checked_settings import CheckedSettings

MOST_BEYOND = 100
"""Numbers are drawn as floats, which end at 10^308, and brackets by recursion."""


@dataclass(frozen=True)
class ArithmeticSettings(CheckedSettings):
    """Which expressions are generated.

    Weights are relative: (1, 1) and (0.5, 0.5) are the same.

    Attributes:
      operations: weights of 1, 2, … operations of a line.
      signs: weights of + - * /.
      digits: weights of operands of 1, 2, … digits before the decimal point.
      mixed: share of lines with decimals, percent or negative numbers: in these, at least one
        operand is such a number.
      decimals: chance that an operand of such a line is a decimal.
      percents: chance that it is a percentage, of 1% to 100%.
      negatives: chance that it is negative.
      fractions: chance that a pair of brackets with one operation is a fraction of two whole
        numbers, `(3/4)`, in such a line.
      places: weights of 1, 2, … decimals of a decimal.
      brackets: share of lines with brackets, of those with two operations or more.
      depths: weights of brackets 1, 2, … deep; a line has no deeper ones than its operations allow.
      square: chance that a pair of brackets is square.
      whole: share of lines of which every value, also every intermediate one, is a whole number
        from 2 to `largest`; `digits`, `mixed` and `brackets` don't apply to them, nor does it
        to test-brackets.
      largest: upper bound of those values.
      shuffled: share of lines whose operations are done in a random valid order, not the usual.
      beyond: of the extrapolation splits: how many more digits, operations or levels of brackets
        than any line of the other splits.
    """

    gin_name: ClassVar[str] = "arithmetic"

    operations: tuple[float, ...] = (0.08, 0.22, 0.25, 0.18, 0.1, 0.07, 0.04, 0.03, 0.02, 0.01)
    signs: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    digits: tuple[float, ...] = (0.03, 0.05, 0.09, 0.83)
    mixed: float = 0.5
    decimals: float = 0.3
    percents: float = 0.1
    negatives: float = 0.2
    fractions: float = 0.3
    places: tuple[float, ...] = (0.4, 0.3, 0.2, 0.1)
    brackets: float = 0.54
    depths: tuple[float, ...] = (0.7, 0.22, 0.08)
    square: float = 0.25
    whole: float = 0.0
    largest: int = 99
    shuffled: float = 0.0
    beyond: int = 1

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, list | tuple):
                object.__setattr__(self, field.name, tuple(value))  # gin gives lists
                self._check_weights(field.name)
            elif isinstance(value, float):
                self._check_chance(field.name)
        self._check_at_least(1, "beyond")
        if self.beyond > MOST_BEYOND:
            self._refuse("beyond", f"at most {MOST_BEYOND} is needed")
        self._check_at_least(4, "largest")
        if self.decimals + self.percents > 1:
            self._refuse("percents", f"at most 1 - arithmetic.decimals = {1 - self.decimals:g}")
        if self.mixed and not (self.decimals or self.percents or self.negatives):
            self._refuse("mixed", "decimals, percents or negatives above 0 are needed for it")

    def _check_weights(self, name: str) -> None:
        weights = getattr(self, name)
        if not all(0 <= weight < float("inf") for weight in weights) or not sum(weights) > 0:
            self._refuse(name, "weights of at least 0, one of them above 0, are needed")

    def _check_chance(self, name: str) -> None:
        if not 0 <= getattr(self, name) <= 1:
            self._refuse(name, "from 0 to 1 is needed")
