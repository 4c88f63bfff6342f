r"""What formulas mean, by Math-Verify and SymPy: call this where nothing else can suffer.

The parser makes the best of what it does not know (`5 000` is 0, `A^T` is `A`). What it would
misread is refused before, and what cannot be read equals nothing.
"""

from __future__ import annotations

import re
import zlib
from functools import lru_cache
from operator import truediv
from typing import Any

import math_verify
import sympy
from latex2sympy2_extended.latex2sympy2 import ConversionConfig, _Latex2Sympy
from sympy.physics import units

DIGITS = 60  # of a value
# Two values agree when so many digits do.
_AGREEING_DIGITS = 30
_POINTS = 3  # at which formulas with variables are evaluated
_CONVERSION = ConversionConfig(lowercase_symbols=False)
_UNREADABLE = re.compile(
    r"""[:'"@&~]|\\text|\.\d*\.|\d \d|\d[eE]\d|\^ ?\{? ?(?:T|\\top|\\prime)(?![A-Za-z])"""
)
_MATRIX = re.compile(r"\\begin\{([a-z]*matrix)\}.*?\\end\{\1\}", re.DOTALL)
_MIXED = re.compile(r"(?<![\d.}])(\d+) ?(\\frac ?\{\d+\} ?\{\d+\}|\d+ ?/ ?\d+(?!\d))")
_DEGREES = re.compile(r"([0-9.]+) ?\^ ?(?:\{ ?\\circ ?\}|\\circ)")
_SCRIPT = re.compile(r"([_^]) ?([0-9]+|[A-Za-z])")
_IMAGINARY = re.compile(r"(?<![A-Za-z\\])i(?![A-Za-z])")
_UNIT_WORD = re.compile(r"(%|\^\\circ[CF]?|/|[A-Za-z]\w*)(?: ?\^ ?(\d))?")
_DIMENSIONLESS = {"%": sympy.Rational(1, 100), r"^\circ": sympy.pi / 180}
_ABBREVIATIONS = {"min": "minute", "hr": "hour", "sec": "second", "lb": "pound", "in": "inch"}
_BASE_UNITS = (units.meter, units.kilogram, units.second)


class _Parser(_Latex2Sympy):
    """Math-Verify's parser, but that numbers side by side are a product: `2(3)` is 6, not 5."""

    def convert_postfix_list(self, arr: list[Any], i: int = 0) -> Any:
        first = self.convert_postfix(arr[i])
        if i + 1 == len(arr) or not isinstance(first, sympy.Expr | sympy.MatrixBase):
            return super().convert_postfix_list(arr, i)
        rest = self.convert_postfix_list(arr, i + 1)
        has_matrix = isinstance(first, sympy.MatrixBase) or isinstance(rest, sympy.MatrixBase)
        return (self.mat_mul_flat if has_matrix else self.mul_flat)(first, rest)


@lru_cache(maxsize=1_000)
def parse_formula(text: str) -> Any:
    """A formula as SymPy has it, decimals as exact rationals; None where it cannot be read."""
    text = _DEGREES.sub(r"(\1\\cdot\\frac{\\pi}{180})", text.replace("$", ""))
    text = _SCRIPT.sub(r"\1{\2}", _MIXED.sub(r"(\1+\2)", text))
    if _UNREADABLE.search(_MATRIX.sub("", text)):
        return None
    is_complex = _IMAGINARY.search(text) is not None
    text = re.sub(r"(?<![A-Za-z\\])I(?![A-Za-z])", r"\\mathrm{I}", text)
    try:
        parsed = _Parser(is_real=not is_complex, config=_CONVERSION).parse(text)
        parsed = parsed.replace(lambda part: part.is_Float, lambda part: sympy.Rational(str(part)))
    except Exception:
        return None
    return parsed.subs(sympy.Symbol("i", real=False), sympy.I) if is_complex else parsed


def equal(left: tuple[str, str], right: tuple[str, str]) -> bool:
    """Whether two formulas, each with its unit, mean the same."""
    a, b = (parse_formula(text) for text, _ in (left, right))
    ratio = 1 if left[1] == right[1] else _unit_ratio(left[1], right[1])
    if a is None or b is None or ratio is None:
        return False
    if isinstance(a, sympy.Expr) and isinstance(b, sympy.Expr):
        a = a if ratio == 1 else a * ratio
        # Math-Verify rounds to six decimals: 1/2004! would equal 1/2006!.
        if not all(map(_agree, *_values(a, b))):
            return False
    return math_verify.verify(a, b, timeout_seconds=None, allow_set_relation_comp=True)


def factor(left: tuple[str, str, str], right: tuple[str, str, str]) -> int:
    """The sign of the constant that turns one relation into another, 0 where there is none.

    Args:
      left, right: relations: left side, sign, right side.
    """
    sides = [parse_formula(text) for text in (left[0], left[2], right[0], right[2])]
    if not all(isinstance(side, sympy.Expr) for side in sides):
        return 0
    a, b = sides[0] - sides[1], sides[2] - sides[3]
    if left[1] == right[1] == "=":  # denominators are of no matter
        a, b = (sympy.fraction(sympy.together(difference))[0] for difference in (a, b))
    above, below = _values(a, b)
    if len(above) < _POINTS or not all(value.is_finite and value for value in above + below):
        return 0
    ratios = list(map(truediv, above, below))
    if not all(ratio.is_real and _agree(ratio, ratios[0]) for ratio in ratios):
        return 0
    return 1 if ratios[0] > 0 else -1


def value(text: str) -> list[str]:
    """What a formula is at fixed values of its variables, so that equal formulas have equal values.

    One value for a constant; none where the formula cannot be read or has no finite value.
    """
    parsed = parse_formula(text)
    (values,) = _values(parsed) if isinstance(parsed, sympy.Expr) else ([],)
    return [str(v) for v in values] if all(v.is_number and v.is_finite for v in values) else []


def _values(*formulas: Any) -> list[list[Any]]:
    """What each formula is at a few points of all their variables; one value each of constants."""
    names = sorted(set().union(*(formula.free_symbols for formula in formulas)), key=str)
    points = [
        {name: _coordinate(str(name), k) for name in names} for k in range(_POINTS if names else 1)
    ]
    evaluated = [formula.doit() for formula in formulas]
    return [[sympy.N(formula.subs(point), DIGITS) for point in points] for formula in evaluated]


def _coordinate(name: str, point: int) -> Any:
    """A fixed number for a variable, of either sign and not whole."""
    return sympy.Rational(zlib.crc32(f"{name} {point}".encode()) % 20_011 - 10_005, 3_001)


def _agree(a: Any, b: Any) -> bool:
    """Whether two values agree; where one has none, nothing speaks against it."""
    if a == b or not (a.is_number and b.is_number):
        return True
    if not (a.is_finite and b.is_finite):
        return False
    return bool(abs(a - b) <= sympy.Float(10) ** -_AGREEING_DIGITS * max(abs(a), abs(b)))


def _unit_ratio(left: str, right: str) -> Any:
    """How many of the right unit the left one is; None where they measure different things."""
    ratio = units.convert_to(_unit(left) / _unit(right), _BASE_UNITS)
    return None if ratio.atoms(units.Quantity, sympy.Symbol) else ratio


def _unit(text: str) -> Any:
    """A unit: `miles per hour`, `square cm`, `m/s^2`; other words stand for themselves."""
    product, sign, power = sympy.Integer(1), 1, 1
    for word, exponent in _UNIT_WORD.findall(text):
        if word in ("/", "per"):
            sign = -1
        elif word in ("square", "sq", "cubic"):
            power = 3 if word == "cubic" else 2
        else:
            product *= _unit_of(word) ** (sign * int(exponent or power))
            sign, power = 1, 1
    return product


def _unit_of(word: str) -> Any:
    quantity = getattr(units, _ABBREVIATIONS.get(word, word), None)
    if word in _DIMENSIONLESS:
        return _DIMENSIONLESS[word]
    return quantity if type(quantity) is units.Quantity else sympy.Symbol(word.removesuffix("s"))
