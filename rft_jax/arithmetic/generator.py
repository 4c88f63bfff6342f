"""Generated expressions: line i of a split is a pure function of settings, seed and i."""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, count
from random import Random

from rft_jax.arithmetic.reading import read_tokens
from rft_jax.arithmetic.settings import ArithmeticSettings
from rft_jax.arithmetic.splits import SPLITS, bucket_of
from rft_jax.arithmetic.steps import Choose, Step, steps_of
from rft_jax.arithmetic.whole import WholeNumbers

_SIGNS = "+-*/"
_ROUND, _SQUARE = ("(", ")"), ("[", "]")
_SECOND_PAIR = 0.3  # chance of a second pair of brackets, where operations are left for it
_WHOLE_NUMBER = re.compile("[0-9]+")


@dataclass(frozen=True, slots=True)
class Line:
    """An expression that can be evaluated, and its steps."""

    expression: str
    steps: tuple[Step, ...]


def lines(settings: ArithmeticSettings, split: str, seed: int) -> Iterator[Line]:
    """All lines of a split, without end."""
    return (line(settings, split, seed, i) for i in count())


def line(settings: ArithmeticSettings, split: str, seed: int, i: int) -> Line:
    """Line i: the first expression of its own random stream that belongs to the split."""
    rng = Random(f"arithmetic/{seed}/{i}")
    bucket, beyond = SPLITS[split].bucket, SPLITS[split].beyond
    while True:
        is_whole = rng.random() < settings.whole and beyond != "brackets"
        draw = _whole_expression if is_whole else _expression
        expression = draw(settings, beyond, rng)
        if bucket_of(expression) != bucket:
            continue
        tokens = read_tokens(expression)
        choose: Choose | None = rng.choice if rng.random() < settings.shuffled else None
        try:
            steps = tuple(steps_of(tokens, choose))
        except ZeroDivisionError:
            continue
        if is_whole and choose and not all(map(_is_whole, steps)):
            steps = tuple(steps_of(tokens))
        return Line(expression, steps)


def _is_whole(step: Step) -> bool:
    """Whether both operands are whole numbers of at least 2, so that its result may be."""
    return all(isinstance(value, int) and value > 1 for value in (step.left, step.right))


def _operations(settings: ArithmeticSettings, beyond: str, rng: Random) -> int:
    if beyond == "operations":
        return len(settings.operations) + settings.beyond
    return 1 + _pick(rng, settings.operations)


def _expression(settings: ArithmeticSettings, beyond: str, rng: Random) -> str:
    operations = _operations(settings, beyond, rng)
    depth = 0
    if beyond == "brackets":
        depth = len(settings.depths) + settings.beyond
        operations = max(operations, depth + 1)
    elif operations > 1 and rng.random() < settings.brackets:
        depth = min(1 + _pick(rng, settings.depths), operations - 1)
    is_mixed = rng.random() < settings.mixed
    drawn = _Expression(settings, rng, is_mixed, beyond == "digits")
    while True:
        text = drawn.level(operations, depth)
        if drawn.has_special or not is_mixed:
            return text


def _whole_expression(settings: ArithmeticSettings, beyond: str, rng: Random) -> str:
    operations = _operations(settings, beyond, rng)
    largest = settings.largest * (10**settings.beyond if beyond == "digits" else 1)
    sign = lambda: _SIGNS[_pick(rng, settings.signs)]  # noqa: E731
    while True:
        text = WholeNumbers(rng, sign, 2, largest).draw(lambda: operations).text
        if beyond != "digits" or max(map(int, _WHOLE_NUMBER.findall(text))) > settings.largest:
            return text


class _Expression:
    """Draws expressions as texts; nine of ten may be of another split, so they have no values.

    Attributes:
      has_special: whether some operand so far is a decimal, a percentage or negative.
    """

    def __init__(
        self, settings: ArithmeticSettings, rng: Random, is_mixed: bool, has_more_digits: bool
    ) -> None:
        self._settings, self._rng, self._is_mixed = settings, rng, is_mixed
        self._more_digits = has_more_digits
        self._random = rng.random
        self._operand = self._mixed_number if is_mixed else self._whole_number
        self._signs, self._digits = _cumulative(settings.signs), _cumulative(settings.digits)
        self.has_special = False

    def level(self, operations: int, depth: int) -> str:
        """Operands and signs without brackets around them, with brackets `depth` deep in them."""
        if not depth:
            return self._flat(operations)
        groups = self._groups(operations, depth)
        operands = operations - sum([size for size, _ in groups]) + 1
        by_place = dict(zip(self._places(operands, len(groups)), groups, strict=True))
        texts: list[str] = []
        for place in range(operands):
            if place:
                texts.append(self._sign())
            group = by_place.get(place)
            texts.append(self._operand() if group is None else self._group(*group))
        return "".join(texts)

    def _flat(self, operations: int) -> str:
        draw, sign = self._operand, self._sign
        texts = [draw()]
        for _ in range(operations):
            texts += (sign(), draw())
        return "".join(texts)

    def _sign(self) -> str:
        return _SIGNS[bisect(self._signs, self._random())]

    def _places(self, operands: int, groups: int) -> Sequence[int]:
        """Where among the operands the groups are; `sample` of one is `randrange`, and slower."""
        if groups == 1:
            return [self._rng.randrange(operands)]
        return self._rng.sample(range(operands), groups)

    def _groups(self, operations: int, depth: int) -> list[tuple[int, int]]:
        """Operations and depth of the pairs of brackets of a level."""
        size = self._rng.randint(depth, operations - 1)
        groups = [(size, depth - 1)]
        if operations - size >= 2 and self._random() < _SECOND_PAIR:
            groups.append((self._rng.randint(1, operations - size - 1), 0))
        return groups

    def _group(self, operations: int, depth: int) -> str:
        settings = self._settings
        opening, closing = _SQUARE if self._random() < settings.square else _ROUND
        if self._is_mixed and operations == 1 and self._random() < settings.fractions:
            inner = f"{self._whole_number()}/{self._whole_number()}"
        else:
            inner = self.level(operations, depth)
        return f"{opening}{inner}{closing}"

    def _whole_number(self) -> str:
        if self._more_digits:
            digits = len(self._settings.digits) + self._settings.beyond - 1
        else:
            digits = bisect(self._digits, self._random())
        low = 10**digits
        return str(low + int(self._random() * 9 * low))

    def _mixed_number(self) -> str:
        settings, random = self._settings, self._random
        kind = random()
        text = self._whole_number()
        if kind < settings.decimals:
            places = 1 + _pick(self._rng, settings.places)
            digits = 1 + int(random() * (10**places - 1))
            text = f"{text}.{digits:0{places}}".rstrip("0")
        elif kind < settings.decimals + settings.percents:
            text = f"{self._rng.randint(1, 100)}%"
        is_negative = random() < settings.negatives
        self.has_special |= is_negative or kind < settings.decimals + settings.percents
        return f"-{text}" if is_negative else text


def _pick(rng: Random, weights: tuple[float, ...]) -> int:
    return bisect(_cumulative(weights), rng.random())


@lru_cache(maxsize=64)
def _cumulative(weights: tuple[float, ...]) -> tuple[float, ...]:
    total = sum(weights)
    return tuple(accumulate(weight / total for weight in weights))[:-1]
