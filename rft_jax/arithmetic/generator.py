"""Generated expressions: line i of a split is a pure function of settings, seed and i."""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, count, islice
from random import Random

from rft_jax.arithmetic.reading import read_tokens
from rft_jax.arithmetic.settings import ArithmeticSettings
from rft_jax.arithmetic.splits import SPLITS, bucket_of
from rft_jax.arithmetic.steps import Choose, Step, steps_of
from rft_jax.arithmetic.whole import MOST_ATTEMPTS, WholeNumbers
from rft_jax.errors import UserError

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
    """All lines of a split, without end; errors as `line`."""
    texts = _Texts(settings, SPLITS[split].beyond)
    return (_line(texts, split, seed, i) for i in count())


def line(settings: ArithmeticSettings, split: str, seed: int, i: int) -> Line:
    """Line i: the first expression of its own random stream that belongs to the split.

    Raises:
      UserError: none was found in `MOST_ATTEMPTS`.
    """
    return _line(_Texts(settings, SPLITS[split].beyond), split, seed, i)


def _line(texts: _Texts, split: str, seed: int, i: int) -> Line:
    settings, rng, bucket = texts.settings, texts.rng, SPLITS[split].bucket
    whole = 0.0 if texts.beyond == "brackets" else settings.whole
    rng.seed(f"arithmetic/{seed}/{i}")
    for _ in range(MOST_ATTEMPTS):
        is_whole = rng.random() < whole
        expression = texts.draw_whole() if is_whole else texts.draw()
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
    raise UserError(
        f"in {MOST_ATTEMPTS:,} attempts no expression of {split!r} was found: the settings have "
        "too few; allow more (arithmetic.operations, .signs, .digits, .largest)"
    )


def _is_whole(step: Step) -> bool:
    """Whether both operands are whole numbers of at least 2, so that its result may be."""
    return all(isinstance(value, int) and value > 1 for value in (step.left, step.right))


class _Texts:
    """Draws expressions as texts; nine of ten may be of another split, so they have no values.

    Attributes:
      settings: the mix of expressions.
      beyond: of what the expressions have more than those of other splits, as of a `Split`.
      rng: where the draws come from; no draw depends on those before its seed.
    """

    def __init__(self, settings: ArithmeticSettings, beyond: str) -> None:
        self.settings, self.beyond, self.rng = settings, beyond, Random()
        self._random, self._bits = self.rng.random, self.rng.getrandbits
        self._operations, self._depths = map(_cumulative, (settings.operations, settings.depths))
        more = len(settings.operations) + settings.beyond
        self._all_have = more if beyond == "operations" else 0
        self._signs, self._has_special = _cumulative(settings.signs), False
        self._whole = self._whole_numbers(), self._whole_numbers(self._signs)
        self._mixed = self._mixed_numbers(), self._mixed_numbers(self._signs)
        self._operands = self._whole

    def draw(self) -> str:
        """An expression; of a mixed line, one with a decimal, a percentage or a negative number.

        Raises:
          UserError: none of a mixed line was found in `MOST_ATTEMPTS`.
        """
        settings, random = self.settings, self._random
        operations, depth = self._number_of_operations(), 0
        if self.beyond == "brackets":
            depth = len(settings.depths) + settings.beyond
            operations = max(operations, depth + 1)
        elif operations > 1 and random() < settings.brackets:
            depth = min(1 + bisect(self._depths, random()), operations - 1)
        is_mixed, self._has_special = random() < settings.mixed, False
        self._operands = self._mixed if is_mixed else self._whole
        for _ in range(MOST_ATTEMPTS):
            text = self._level(operations, depth)
            if self._has_special or not is_mixed:
                return text
        raise UserError(
            f"in {MOST_ATTEMPTS:,} attempts no expression with a decimal, a percentage or a "
            "negative number was found; higher arithmetic.decimals, .percents or .negatives, or "
            "arithmetic.mixed = 0, are needed"
        )

    def draw_whole(self) -> str:
        """An expression whose every value is a whole number in bounds."""
        settings, has_more_digits = self.settings, self.beyond == "digits"
        operations = self._number_of_operations()
        largest = settings.largest * (10**settings.beyond if has_more_digits else 1)
        numbers = WholeNumbers(self.rng, self._sign, 2, largest)
        while True:
            text = numbers.draw(lambda: operations).text
            if not has_more_digits or max(map(int, _WHOLE_NUMBER.findall(text))) > settings.largest:
                return text

    def _number_of_operations(self) -> int:
        return self._all_have or 1 + bisect(self._operations, self._random())

    def _level(self, operations: int, depth: int) -> str:
        """Operands and signs without brackets around them, with brackets `depth` deep in them."""
        first, further = self._operands
        if not depth:
            return next(first) + "".join(islice(further, operations))
        operands, groups = self._groups(operations, depth)
        text = self._group(*groups[0]) if 0 in groups else next(first)
        for place in range(1, operands):
            text += self._sign() + self._group(*groups[place]) if place in groups else next(further)
        return text

    def _sign(self) -> str:
        return _SIGNS[bisect(self._signs, self._random())]

    def _groups(self, operations: int, depth: int) -> tuple[int, dict[int, tuple[int, int]]]:
        """The operands of a level, and which of them are brackets: of what operations and depth."""
        size = depth + self._below(operations - depth)
        operands = operations - size + 1
        if operands < 3 or self._random() >= _SECOND_PAIR:
            return operands, {self._below(operands): (size, depth - 1)}
        second = 1 + self._below(operands - 2)
        operands -= second
        one, other = self.rng.sample(range(operands), 2)
        return operands, {one: (size, depth - 1), other: (second, 0)}

    def _group(self, operations: int, depth: int) -> str:
        settings = self.settings
        opening, closing = _SQUARE if self._random() < settings.square else _ROUND
        is_mixed = self._operands is self._mixed
        if is_mixed and operations == 1 and self._random() < settings.fractions:
            inner = f"{next(self._whole[0])}/{next(self._whole[0])}"
        else:
            inner = self._level(operations, depth)
        return f"{opening}{inner}{closing}"

    def _whole_numbers(self, signs: Sequence[float] = ()) -> Iterator[str]:
        """Whole numbers without end, behind the sign of an operation if there are weights of it."""
        random, settings = self._random, self.settings
        weights, sign = _cumulative(settings.digits), ""
        lowest = [10**digits for digits in range(len(settings.digits) + settings.beyond)]
        always = lowest[-1] if self.beyond == "digits" else 0
        while True:
            if signs:
                sign = _SIGNS[bisect(signs, random())]
            low = always or lowest[bisect(weights, random())]
            yield f"{sign}{low + int(random() * 9 * low)}"

    def _mixed_numbers(self, signs: Sequence[float] = ()) -> Iterator[str]:
        """As `_whole_numbers`; some are decimals, percentages or negative."""
        random, settings, whole = self._random, self.settings, self._whole[0]
        weights, sign = _cumulative(settings.places), ""
        decimals, special = settings.decimals, settings.decimals + settings.percents
        negatives = settings.negatives
        while True:
            if signs:
                sign = _SIGNS[bisect(signs, random())]
            kind = random()
            text = next(whole)
            if kind < decimals:
                places = 1 + bisect(weights, random())
                digits = str(1 + int(random() * (10**places - 1)))
                text = f"{text}.{digits.zfill(places).rstrip('0')}"
            elif kind < special:
                text = f"{1 + self._below(100)}%"
            if random() < negatives:
                text = f"-{text}"
                self._has_special = True
            elif kind < special:
                self._has_special = True
            yield sign + text

    def _below(self, bound: int) -> int:
        """What `randrange(bound)` gives, without its checks, which take longer than the draw."""
        bits = bound.bit_length()
        value = self._bits(bits)
        while value >= bound:
            value = self._bits(bits)
        return value


def _cumulative(weights: tuple[float, ...]) -> tuple[float, ...]:
    total = sum(weights)
    return tuple(accumulate(weight / total for weight in weights))[:-1]
