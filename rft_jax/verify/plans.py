"""The plan of a text: what its equations come to when each of them is worked out exactly.

An error is one of arithmetic when the plan gives the answer and the text does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from itertools import islice, product

from rft_jax.verify.equations import find_annotations
from rft_jax.verify.expressions import (
    MalformedError,
    Postfix,
    exact_number,
    exact_postfix,
    exact_value,
)

READINGS = 256
"""The most readings of one equation; a text with more has the first of them."""
_MOST_NUMBERS = 64  # of an equation with so many readings; a longer one has fewer


def plan_values(text: str) -> list[frozenset[Fraction]]:
    """The exact values that each annotated equation may stand for, in order.

    A number that an earlier equation gave as its result, correctly or not, stands for what that
    equation comes to, or for itself; there are several values where it matters. An equation that
    cannot be read has none.
    """
    stated: dict[Fraction, list[Fraction]] = {}
    values: list[frozenset[Fraction]] = []
    for equation in find_annotations(text):
        left, *sides = equation.split("=")
        try:
            found = frozenset(_values(exact_postfix(left), stated))
            result = exact_number(sides[-1] if sides else "")
        except (MalformedError, ArithmeticError):
            values.append(frozenset())
            continue
        stated[result] = _least({*stated.get(result, ()), *found})
        values.append(found)
    return values


def _values(postfix: Postfix, stated: Mapping[Fraction, list[Fraction]]) -> Iterator[Fraction]:
    numbers = [exact_number(token) for kind, token in postfix if kind != "operator"]
    meanings = {number: _least({number, *stated.get(number, ())}) for number in set(numbers)}
    readings = product(*map(meanings.__getitem__, numbers))
    most = READINGS * _MOST_NUMBERS // max(_MOST_NUMBERS, len(numbers))
    for reading in islice(readings, most):
        yield exact_value(postfix, read=_in_order(reading))


def _least(values: set[Fraction]) -> list[Fraction]:
    """As many values, in order, as readings can have."""
    return sorted(values)[:READINGS]


def _in_order(reading: tuple[Fraction, ...]) -> Callable[[str], Fraction]:
    """Gives the meanings of an expression's numbers from left to right."""
    rest = iter(reading)

    def read(number: str) -> Fraction:
        del number
        return next(rest)

    return read
