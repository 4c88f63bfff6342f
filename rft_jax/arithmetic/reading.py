"""Expressions and responses read from texts: tokens, steps, and what an expression looks like."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from rft_jax.arithmetic.steps import CLOSING, OPENING, Token, evaluate
from rft_jax.arithmetic.values import Value, simplified

MAX_CHARS = 10_000
"""Of an expression that is read."""
_NUMBER = re.compile(r"-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)%?", re.ASCII)
_FRACTION = re.compile(r"[(\[]-?[0-9]+/-?[0-9]+[)\]]")
_QUESTION = re.compile(r"[-+*/0-9.%()\[\]]+=")
_SIGNS = "+-*/"
_PAIRS = {"(": ")", "[": "]"}
_MARKS = {text: Token(text) for text in f"{_SIGNS}{OPENING}{CLOSING}"}

REVERSED = "<"
"""Begins a response whose numbers are written from their last digit."""
_DIGITS = re.compile(r"[0-9.]+")
_WORKING = re.compile(r"\{[^{}]*\}")

KINDS = ("integer", "negative", "decimal", "percent", "fraction")
"""Kinds of expressions by their operands; one of several kinds is the last of them here."""


class Profile(NamedTuple):
    """What an expression looks like.

    Attributes:
      operations: its signs between operands.
      digits: the most digits before the decimal point of an operand.
      kind: one of KINDS.
    """

    operations: int
    digits: int
    kind: str


def read_tokens(text: str) -> list[Token]:
    """The tokens of an expression of numbers, percent, + - * /, round and square brackets.

    `-(3+4)` becomes `(0-(3+4))`; brackets around a single number are left out.

    Raises:
      ValueError: the text is not such an expression.
    """
    if len(text) > MAX_CHARS:
        raise ValueError(f"an expression of {len(text)} characters; at most {MAX_CHARS} are read")
    tokens: list[Token] = []
    closings: list[str] = []  # for each open pair, what is written where it ends
    position, needs_operand = 0, True
    while position < len(text):
        sign = text[position]
        if needs_operand and (match := _NUMBER.match(text, position)):
            number = match[0]
            tokens.append(Token(number, number_value(number)))
            position, needs_operand = match.end(), False
            continue
        if needs_operand and sign in OPENING:
            closings.append(_PAIRS[sign])
            tokens.append(_MARKS[sign])
        elif needs_operand and sign == "-" and text[position + 1 : position + 2] in _PAIRS:
            position += 1
            closings.append(_PAIRS[text[position]] + ")")
            tokens += [_MARKS["("], Token("0", 0), _MARKS["-"], _MARKS[text[position]]]
        elif needs_operand:
            raise ValueError(f"no number at {text[position : position + 20]!r}")
        elif sign in _SIGNS:
            needs_operand = True
            tokens.append(_MARKS[sign])
        elif sign in CLOSING:
            if not closings or closings[-1][0] != sign:
                raise ValueError(f"{sign} closes nothing")
            for bracket in closings.pop():
                tokens.append(_MARKS[bracket])
                _drop_brackets_of_one(tokens)
        else:
            raise ValueError(f"no sign at {text[position : position + 20]!r}")
        position += 1
    if needs_operand or closings:
        raise ValueError("the expression ends too early")
    return tokens


def _drop_brackets_of_one(tokens: list[Token]) -> None:
    """Drops the last pair of brackets around a single number, `(-3)`."""
    if len(tokens) >= 3 and tokens[-2].value is not None and tokens[-3].text in OPENING:
        tokens[-3:] = [tokens[-2]]


def asks_for_value(question: str) -> bool:
    """Whether a question is an expression with `=` behind it and nothing else."""
    if not _QUESTION.fullmatch(question):
        return False
    try:
        return bool(read_tokens(question.removesuffix("=")))
    except ValueError:
        return False


def expression_value(expression: str) -> Value:
    """The exact value of an expression.

    Raises:
      ValueError: the text is not an expression, divides by zero, or has values that are too long to
        write; says which.
    """
    tokens = read_tokens(expression)
    try:
        return evaluate(tokens)
    except ZeroDivisionError:
        raise ValueError("divides by zero") from None
    except ValueError:  # more digits than Python writes
        raise ValueError("has values with too many digits to write") from None


def number_value(text: str) -> Value:
    """The value of a number as expressions have it: `12`, `-4.5`, `.5`, `4%`."""
    if text.isascii() and text.isdigit():
        return int(text)
    digits = text.removesuffix("%")
    whole, _, decimals = digits.lstrip("-").partition(".")
    units = int(whole + decimals) * (-1 if digits.startswith("-") else 1)
    return simplified(Fraction(units, 10 ** (len(decimals) + 2 * text.endswith("%"))))


def profile(expression: str, tokens: Sequence[Token]) -> Profile:
    """What an expression looks like.

    Args:
      expression: its text.
      tokens: as `read_tokens` gives them.
    """
    numbers = [token.text for token in tokens if token.value is not None]
    operations = sum(token.value is None and token.text in _SIGNS for token in tokens)
    digits = max(len(number.lstrip("-").partition(".")[0].rstrip("%")) for number in numbers)
    return Profile(operations, digits, _kind(expression, numbers))


def _kind(expression: str, numbers: Sequence[str]) -> str:
    if _FRACTION.search(expression):
        return "fraction"
    if any(number.endswith("%") for number in numbers):
        return "percent"
    if any("." in number for number in numbers):
        return "decimal"
    return "negative" if any(number.startswith("-") for number in numbers) else "integer"


def plain_steps(response: str) -> str:
    """A response in any of the formats, as `steps` has it: forms with `=` between them."""
    if response.startswith(REVERSED):
        response = turned(response.removeprefix(REVERSED))
    return _WORKING.sub("", response)


def turned(text: str) -> str:
    """The text with the digits of every number in the opposite order."""
    return _DIGITS.sub(lambda match: match[0][::-1], text)
