r"""Whether two answers are equal: the one rule, whichever of them is the reference.

- Plain numbers are exact rationals. A decimal with at least six significant digits also equals a
  value without a finite decimal form (1/3, a root, π) that it rounds or cuts off at its last digit.
- A unit may be left out. Where both answers have one they must measure the same (`2 hours` is
  `120 minutes`); `50%` is `50` and 1/2, `60^\circ` is `60` and π/3. Currency signs are dropped.
- A name may be left out: `x = 5` is `5`, and not `y = 5`. Other equations and inequalities are
  equal when a constant factor turns one into the other.
- Lists, sets and unions have their items in any order, points, intervals and ratios in theirs; an
  inequality of one variable is an interval.
- Words are compared without case and spacing, formulas by meaning. What cannot be read equals only
  the same text.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from decimal import Context, Decimal, InvalidOperation, Overflow
from typing import Protocol

from rft_jax.verify.notation import tidy
from rft_jax.verify.numbers import is_decimal, parse_number, rounds
from rft_jax.verify.structure import (
    FLIPPED,
    MAX_CHARS,
    Answer,
    Named,
    Relation,
    Several,
    parse_answer,
)
from rft_jax.verify.symbolic import Formulas
from rft_jax.verify.values import Value

_IN_ANY_ORDER = ("", "∩")
_MAX_IN_ANY_ORDER = 30
_WORKED_OUT = ("%", r"^\circ")  # what a unit may stand for beside a bare number
_SETS = re.compile(r"\\(?:cup|cap|setminus|mathbb)(?![A-Za-z])")
_FLOAT = re.compile(r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)")
_WHOLE = re.compile(r"-?[1-9][0-9]*|0")  # in its one spelling
_VOTE = Context(prec=30)
ANSWER_TOLERANCE = 1e-4
"""How far apart the paper's evaluation script lets two answers be, as floats."""


class Comparer(Protocol):
    """Decides whether two answers are equal."""

    def equal(self, reference: str, answer: str) -> bool:
        """Whether the answer equals the reference.

        Raises:
          TimeoutError: undecided within the time allowed.
        """

    def value(self, answer: str) -> Hashable:
        """What the spellings of one answer have in common."""

    def close(self) -> None:
        """Ends what runs for it."""


class NumberComparer:
    """Decides whether two answers are the same number; nothing else is equal to one."""

    def equal(self, reference: str, answer: str) -> bool:
        """Whether the answer is a plain number, exactly that of the reference."""
        number = parse_number(answer)
        return number is not None and number == parse_number(reference)

    def value(self, answer: str) -> Hashable:
        """The number; else the answer as it is written."""
        number = parse_number(answer)
        return answer if number is None else number

    def close(self) -> None:
        """Nothing runs for it."""


class AnswerComparer:
    """Decides whether two answers are equal.

    Args:
      timeout: CPU seconds that one comparison of formulas may take.
      floats: compare plain numbers as floats, as the paper's script does.
    """

    def __init__(self, timeout: float = 5.0, floats: bool = False) -> None:
        self._formulas = Formulas(timeout)
        self._floats = floats
        self.close = self._formulas.close

    def equal(self, reference: str, answer: str) -> bool:
        """Whether the answer equals the reference; the two may change places.

        Raises:
          TimeoutError: undecided: comparing formulas took too long, too much memory, or crashed.
        """
        if self._floats and _FLOAT.fullmatch(reference) and _FLOAT.fullmatch(answer):
            return float(reference) == float(answer)
        if _WHOLE.fullmatch(reference) and _WHOLE.fullmatch(answer):  # no need to read them
            return reference == answer
        a, b = parse_answer(reference), parse_answer(answer)
        if self._equal(a, b):
            return True
        is_short = max(len(reference), len(answer)) <= MAX_CHARS
        if not is_short or not (_SETS.search(reference) or _SETS.search(answer)):
            return False
        return self._formulas.equal((tidy(reference), ""), (tidy(answer), ""))

    def _equal(self, a: Answer, b: Answer) -> bool:
        if isinstance(a, Named) or isinstance(b, Named):
            return self._named_equal(a, b)
        if isinstance(a, Value) and isinstance(b, Value):
            return self._values_equal(a, b)
        if isinstance(a, Relation) and isinstance(b, Relation):
            return self._relations_equal(a, b)
        if isinstance(a, Several) and isinstance(b, Several):
            return self._several_equal(a, b)
        return False

    def _named_equal(self, a: Answer, b: Answer) -> bool:
        if not isinstance(a, Named):
            a, b = b, a
        assert isinstance(a, Named)
        if not isinstance(b, Named | Relation):
            return self._equal(a.value, b)
        if isinstance(b, Named) and a.name == b.name:
            return self._equal(a.value, b.value)
        return self._relations_equal(a.relation, b.relation if isinstance(b, Named) else b)

    def _relations_equal(self, a: Relation | None, b: Relation | None) -> bool:
        if a is None or b is None or a == b:
            return a is not None and a == b
        factor = self._formulas.factor((a.left, a.sign, a.right), (b.left, b.sign, b.right))
        return factor != 0 and a.sign == (b.sign if factor > 0 else FLIPPED[b.sign])

    def _several_equal(self, a: Several, b: Several) -> bool:
        if a.brackets != b.brackets or len(a.items) != len(b.items):
            return False
        if a.brackets not in _IN_ANY_ORDER or len(a.items) > _MAX_IN_ANY_ORDER:
            return all(map(self._equal, a.items, b.items))
        rest = list(b.items)
        for item in a.items:
            match = next((i for i, other in enumerate(rest) if self._equal(item, other)), None)
            if match is None:
                return False
            del rest[match]
        return True

    def _values_equal(self, a: Value, b: Value) -> bool:
        if a.unit == b.unit or not (a.unit and b.unit):
            if self._same(a, b):
                return True
            if a.unit == b.unit or (a.unit or b.unit) not in _WORKED_OUT:
                return False
        if a.is_words or b.is_words:
            return False
        if {a.unit, b.unit} == {"", "%"} and a.number is not None and b.number is not None:
            percent, bare = (a.number, b.number) if a.unit else (b.number, a.number)
            return percent == 100 * bare
        return self._formulas.equal((a.formula, a.unit), (b.formula, b.unit))

    def _same(self, a: Value, b: Value) -> bool:
        """Whether two values are equal, their units aside."""
        if a.key == b.key:
            return True
        if a.is_words or b.is_words:
            return False
        if a.number is None or b.number is None:
            return self._formulas.equal((a.formula, ""), (b.formula, "")) or self._is_rounded(a, b)
        return a.number == b.number or self._is_rounded(a, b)

    def _is_rounded(self, a: Value, b: Value) -> bool:
        """Whether one of two values is a decimal, and rounds the other, which has none."""
        if is_decimal(a.text) == is_decimal(b.text):
            return False
        decimal, exact = (a, b) if is_decimal(a.text) else (b, a)
        value = exact.number
        if value is None:
            digits = self._formulas.value(exact.formula)  # several of a formula with variables
            value = parse_number(digits[0]) if len(digits) == 1 else None
        elif pow(10, value.denominator.bit_length(), value.denominator) == 0:
            return False  # it has a finite decimal form
        return value is not None and rounds(decimal.text, value)

    def value(self, answer: str) -> Hashable:
        """What the spellings of one answer have in common, to count them as one vote.

        Numbers count by value, formulas by what SymPy makes of them, units and names not at all.
        """
        return self._value(parse_answer(answer))

    def _value(self, answer: Answer) -> Hashable:
        if isinstance(answer, Named):
            return self._value(answer.value)
        if isinstance(answer, Relation):
            return answer
        if isinstance(answer, Several):
            values = map(self._value, answer.items)
            is_in_order = answer.brackets not in _IN_ANY_ORDER
            return answer.brackets, tuple(values if is_in_order else sorted(values, key=repr))
        if answer.number is not None:
            number = answer.number
            return (_rounded(str(_VOTE.divide(Decimal(number.numerator), number.denominator))),)
        if answer.is_words or len(answer.key) == 1:
            return answer.key
        try:
            return tuple(map(_rounded, self._formulas.value(answer.formula))) or answer.key
        except TimeoutError:
            return answer.key


def _rounded(digits: str) -> str:
    """The digits that count for a vote; complex numbers, and those out of range, as they are."""
    try:
        return str(_VOTE.create_decimal(digits).normalize())
    except (InvalidOperation, Overflow):
        return digits


class PaperComparer:
    """As the paper's evaluation script: floats may differ by less than 1e-4.

    Args:
      exact: decides about what is not two floats.
    """

    def __init__(self, exact: Comparer) -> None:
        self._exact = exact
        self.value, self.close = exact.value, exact.close

    def equal(self, reference: str, answer: str) -> bool:
        try:
            return abs(float(answer) - float(reference)) < ANSWER_TOLERANCE
        except ValueError:
            return self._exact.equal(reference, answer)
