"""Generated expressions: line i of a split is a pure function of settings, seed and i."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import accumulate, count
from random import Random

from rft_jax.arithmetic.reading import read_tokens
from rft_jax.arithmetic.settings import ArithmeticSettings
from rft_jax.arithmetic.splits import SPLITS, bucket_of
from rft_jax.arithmetic.steps import Choose, Step, Token, spelled, steps_of
from rft_jax.arithmetic.values import Value, simplified, spell
from rft_jax.arithmetic.whole import WholeNumbers

_SIGNS = tuple(map(Token, "+-*/"))
_ROUND, _SQUARE = (Token("("), Token(")")), (Token("["), Token("]"))
_SECOND_PAIR = 0.3  # chance of a second pair of brackets, where operations are left for it


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
        tokens = draw(settings, beyond, rng)
        expression = spelled(tokens)
        if bucket_of(expression) != bucket:
            continue
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


def _expression(settings: ArithmeticSettings, beyond: str, rng: Random) -> list[Token]:
    operations = _operations(settings, beyond, rng)
    depth = 0
    if beyond == "brackets":
        depth = len(settings.depths) + settings.beyond
        operations = max(operations, depth + 1)
    elif operations > 1 and rng.random() < settings.brackets:
        depth = min(1 + _pick(rng, settings.depths), operations - 1)
    is_mixed = rng.random() < settings.mixed
    while True:
        drawn = _Expression(settings, rng, is_mixed, beyond == "digits")
        tokens = drawn.level(operations, depth)
        if drawn.has_special or not is_mixed:
            return tokens


def _whole_expression(settings: ArithmeticSettings, beyond: str, rng: Random) -> list[Token]:
    operations = _operations(settings, beyond, rng)
    largest = settings.largest * (10**settings.beyond if beyond == "digits" else 1)
    sign = lambda: _SIGNS[_pick(rng, settings.signs)].text  # noqa: E731
    while True:
        tokens = read_tokens(WholeNumbers(rng, sign, 2, largest).draw(lambda: operations).text)
        values = [token.value for token in tokens if token.value is not None]
        if beyond != "digits" or max(values) > settings.largest:
            return tokens


class _Expression:
    """Draws the tokens of one expression.

    Attributes:
      has_special: whether some operand is a decimal, a percentage or negative.
    """

    def __init__(
        self, settings: ArithmeticSettings, rng: Random, is_mixed: bool, has_more_digits: bool
    ) -> None:
        self._settings, self._rng, self._is_mixed = settings, rng, is_mixed
        self._more_digits = has_more_digits
        self.has_special = False

    def level(self, operations: int, depth: int) -> list[Token]:
        """Operands and signs without brackets around them, with brackets `depth` deep in them."""
        groups = self._groups(operations, depth)
        operands = operations - sum(size for size, _ in groups) + 1
        places = self._rng.sample(range(operands), len(groups))
        by_place = dict(zip(places, groups, strict=True))
        tokens: list[Token] = []
        for place in range(operands):
            if place:
                tokens.append(self._sign())
            group = by_place.get(place)
            if group is None:
                tokens.append(self._operand())
            else:
                tokens += self._group(*group)
        return tokens

    def _groups(self, operations: int, depth: int) -> list[tuple[int, int]]:
        """Operations and depth of the pairs of brackets of a level."""
        if depth == 0:
            return []
        size = self._rng.randint(depth, operations - 1)
        groups = [(size, depth - 1)]
        if operations - size >= 2 and self._rng.random() < _SECOND_PAIR:
            groups.append((self._rng.randint(1, operations - size - 1), 0))
        return groups

    def _group(self, operations: int, depth: int) -> list[Token]:
        rng, settings = self._rng, self._settings
        opening, closing = _SQUARE if rng.random() < settings.square else _ROUND
        if self._is_mixed and operations == 1 and rng.random() < settings.fractions:
            inner = [self._integer(), _SIGNS[3], self._integer()]
        else:
            inner = self.level(operations, depth)
        return [opening, *inner, closing]

    def _sign(self) -> Token:
        return _SIGNS[_pick(self._rng, self._settings.signs)]

    def _integer(self) -> Token:
        value = self._whole_number()
        return Token(str(value), value)

    def _whole_number(self) -> int:
        settings = self._settings
        if self._more_digits:
            digits = len(settings.digits) + settings.beyond
        else:
            digits = 1 + _pick(self._rng, settings.digits)
        low = 10 ** (digits - 1)
        return low + int(self._rng.random() * 9 * low)

    def _operand(self) -> Token:
        if not self._is_mixed:
            return self._integer()
        settings, rng = self._settings, self._rng
        kind = rng.random()
        suffix, value = "", self._whole_number()
        number: Value = value
        if kind < settings.decimals:
            places = 1 + _pick(rng, settings.places)
            digits = 1 + int(rng.random() * (10**places - 1))
            number = value + Fraction(digits, 10**places)
        elif kind < settings.decimals + settings.percents:
            number, suffix = rng.randint(1, 100), "%"
        is_negative = rng.random() < settings.negatives
        number = -number if is_negative else number
        self.has_special |= is_negative or kind < settings.decimals + settings.percents
        exact = simplified(Fraction(number) / 100) if suffix else number
        return Token(spell(number) + suffix, exact)


def _pick(rng: Random, weights: Sequence[float]) -> int:
    return bisect(_cumulative(tuple(weights)), rng.random())


@lru_cache(maxsize=64)
def _cumulative(weights: tuple[float, ...]) -> tuple[float, ...]:
    total = sum(weights)
    return tuple(accumulate(weight / total for weight in weights))[:-1]
