"""The steps of an expression: each form has one operation done, in any order that is valid.

An expression is a list of tokens: signs and brackets as texts, numbers with their values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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
    for sign, left, right, rest in _operations(tokens, choose):
        form = spelled(rest) if len(rest) > 1 else spell_answer(_value(rest[0]))
        yield Step(sign, left, right, form)


def evaluate(tokens: Sequence[Token]) -> Value:
    """The exact value.

    Raises:
      ZeroDivisionError: division by zero.
    """
    rest: Sequence[Token] = tokens
    for *_, after in _operations(tokens, None):
        rest = after
    return _value(rest[0])


def _value(token: Token) -> Value:
    assert token.value is not None
    return token.value


def _operations(
    tokens: Sequence[Token], choose: Choose | None
) -> Iterator[tuple[str, Value, Value, list[Token]]]:
    """Sign and operands of each operation, and the tokens after it, in a list that is reused."""
    rest = list(tokens)
    while len(rest) > 1:
        index = next_operation(rest) if choose is None else choose(possible_operations(rest))
        left, sign, right = rest[index - 1 : index + 2]
        value = apply(sign.text, _value(left), _value(right))
        begin, end = index - 1, index + 2
        if begin and rest[begin - 1].text in OPENING and rest[end].text in CLOSING:
            begin, end = begin - 1, end + 1
        rest[begin:end] = [Token(spell(value), value)]
        yield sign.text, _value(left), _value(right), rest


def next_operation(tokens: Sequence[Token]) -> int:
    """The operation that comes first in the usual order: the index of its sign."""
    end = next((i for i, token in enumerate(tokens) if token.text in CLOSING), len(tokens))
    begin = next((i for i in range(end - 1, -1, -1) if tokens[i].text in OPENING), -1) + 1
    signs = range(begin + 1, end, 2)
    return next((i for i in signs if tokens[i].text in _FIRST), begin + 1)


def possible_operations(tokens: Sequence[Token]) -> list[int]:
    """The operations that may be done next without changing the value, by their signs' index."""
    return [
        index
        for index in range(1, len(tokens) - 1)
        if tokens[index].value is None
        and tokens[index - 1].value is not None
        and tokens[index + 1].value is not None
        and _may_come_first(tokens, index)
    ]


def _may_come_first(tokens: Sequence[Token], index: int) -> bool:
    is_product = tokens[index].text in _FIRST
    before = tokens[index - 2].text if index >= 2 else ""
    after = tokens[index + 2].text if index + 2 < len(tokens) else ""
    if is_product:
        return before != "/"
    return before not in ("-", *_FIRST) and after not in _FIRST
