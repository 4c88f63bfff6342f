"""The steps of an expression: each form has one operation done, in any order that is valid.

An expression is a list of tokens: signs and brackets as texts, numbers with their values.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from rft_jax.arithmetic.values import Value, apply, spell, spell_answer

OPENING, CLOSING = "([", ")]"
_FIRST = {"*", "/"}


class Token(NamedTuple):
    """A sign, a bracket or a number.

    Attributes:
      text: as it is written.
      value: of a number; None for a sign or a bracket.
    """

    text: str
    value: Value | None = None


class Step(NamedTuple):
    """One operation and the form of the expression after it.

    Attributes:
      sign: of the operation.
      left: its left operand.
      right: its right operand.
      form: the expression with the operation done; after the last one, the answer.
    """

    sign: str
    left: Value
    right: Value
    form: str


Choose = Callable[[Sequence[int]], int]
"""Chooses among operations that may be done next, by their index in the tokens."""


def spelled(tokens: Sequence[Token]) -> str:
    """The expression as a text."""
    return "".join([token.text for token in tokens])


def steps_of(tokens: Sequence[Token], choose: Choose | None = None) -> Iterator[Step]:
    """All operations, one by one.

    The last form is rounded as answers are; every other is exactly equal to the expression.

    Args:
      choose: of the operations that may be done; None for the usual order: brackets first, then
        products and quotients, each from left to right.

    Raises:
      ZeroDivisionError: division by zero.
    """
    texts, values = map(list, zip(*tokens, strict=True))
    usual = _usual_order(texts)
    while len(texts) > 1:
        index = choose(possible_operations(texts, values)) if choose else next(usual)
        begin, end = index - 1, index + 2
        sign, left, right = texts[index], values[begin], values[index + 1]
        value = apply(sign, left, right)
        while begin and texts[begin - 1] in OPENING and texts[end] in CLOSING:
            begin, end = begin - 1, end + 1
        texts[begin:end], values[begin:end] = [spell(value)], [value]
        yield Step(sign, left, right, "".join(texts) if len(texts) > 1 else spell_answer(value))


def changes(expression: str, steps: Iterable[Step]) -> Iterator[Step]:
    """The steps whose form differs from the one before: not that of a fraction in brackets.

    Args:
      expression: the form before the first step.
      steps: those of `steps_of`.
    """
    before = expression
    for step in steps:
        if step.form != before:
            yield step
        before = step.form


def evaluate(tokens: Sequence[Token]) -> Value:
    """The exact value.

    Raises:
      ZeroDivisionError: division by zero.
    """
    last = deque(steps_of(tokens), maxlen=1)
    if last:
        return apply(last[0].sign, last[0].left, last[0].right)
    value = tokens[0].value
    assert value is not None
    return value


def _usual_order(texts: list[str]) -> Iterator[int]:
    """The index of each sign in turn; its operation is done in `texts` before the next is taken.

    Of the first pair of brackets without others in it, then the next: products and quotients, then
    sums and differences, each from left to right.
    """
    while len(texts) > 1:
        end = next((i for i, text in enumerate(texts) if text in CLOSING), len(texts))
        begin = next((i for i in range(end - 1, -1, -1) if texts[i] in OPENING), -1) + 1
        index = begin + 1
        while index < end:
            if texts[index] in _FIRST:
                yield index
                end -= 2
            else:
                index += 2
        for _ in range(begin + 1, end, 2):
            yield begin + 1


def possible_operations(texts: Sequence[str], values: Sequence[Value | None]) -> list[int]:
    """The operations that may be done next without changing the value, by their signs' index.

    Args:
      texts: of the tokens.
      values: of the tokens that are numbers; None for the others.
    """
    return [
        index
        for index in range(1, len(texts) - 1)
        if values[index] is None
        and values[index - 1] is not None
        and values[index + 1] is not None
        and _may_come_first(texts, index)
    ]


def _may_come_first(texts: Sequence[str], index: int) -> bool:
    is_product = texts[index] in _FIRST
    before = texts[index - 2] if index >= 2 else ""
    after = texts[index + 2] if index + 2 < len(texts) else ""
    if is_product:
        return before != "/"
    return before not in ("-", *_FIRST) and after not in _FIRST
