"""Plain numbers as exact rationals: what people and models write for one value."""

from __future__ import annotations

import re
from fractions import Fraction

# Longer texts and larger exponents are no plain numbers: 10**4000 is 13,288 bits, cheap to handle.
MAX_DIGITS = 4000
MAX_EXPONENT = 4000

# The minus signs of Unicode, full-width and small forms included.
_MINUS = str.maketrans(dict.fromkeys("−–—‒﹣－⁻", "-"))
_CURRENCY = "$€£¥₹"
# A sign and a currency mark, in either order.
_FRONT = re.compile(rf"(?:[+-]\s*[{_CURRENCY}]?|[{_CURRENCY}]\s*[+-]?)?\s*")
_DIGITS = r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)"
_DECIMAL = re.compile(
    rf"(?P<whole>{_DIGITS})?(?:\.(?P<part>[0-9]*))?(?:[eE](?P<power>[+-]?[0-9]{{1,5}}))?"
)
_FRACTION = re.compile(r"([0-9]+) ?/ ?([0-9]+)")
_MIXED = re.compile(r"([0-9]+) +([0-9]+) ?/ ?([0-9]+)")
_LATEX_FRACTION = re.compile(r"\\[dtc]?frac ?\{ ?(-?[0-9]+) ?\} ?\{ ?(-?[0-9]+) ?\}")


def parse_number(text: str) -> Fraction | None:
    r"""The value of a plain number, exactly, or None when the text is something else.

    Reads thousands commas (`1,234.50`), currency signs (`$5`, `-$5`, `\$5`), percent (`50%` is
    1/2), fractions (`3/4`, `1 1/2`, `\frac{3}{4}`), scientific notation (`1.5e3`), trailing zeros
    and dots (`18.`, `18.00`), signs, Unicode minus included. Neither `nan` nor `inf` is a number.
    """
    if len(text) > MAX_DIGITS:
        return None
    rest = text.translate(_MINUS).replace("\\$", "$").replace("\\%", "%").strip()
    digits = _FRONT.sub("", rest, count=1)
    sign = -1 if "-" in rest[: len(rest) - len(digits)] else 1
    hundredth = digits.endswith("%")
    value = _magnitude(digits[:-1].rstrip() if hundredth else digits)
    if value is None:
        return None
    return sign * (value / 100 if hundredth else value)


def parse_decimal(text: str) -> Fraction | None:
    """An unsigned decimal (`1,234.5`, `.5`, `18.`, `1.5e3`), exactly, or None."""
    match = _DECIMAL.fullmatch(text)
    if match is None or len(text) > MAX_DIGITS:
        return None
    whole, part, power = match["whole"] or "", match["part"] or "", int(match["power"] or 0)
    if (not whole and not part) or abs(power) > MAX_EXPONENT:
        return None
    return Fraction(int(whole.replace(",", "") + part)) * Fraction(10) ** (power - len(part))


def _magnitude(text: str) -> Fraction | None:
    value = parse_decimal(text)
    if value is not None:
        return value
    if match := _MIXED.fullmatch(text):
        whole, above, below = map(int, match.groups())
        return whole + Fraction(above, below) if below else None
    if match := _FRACTION.fullmatch(text) or _LATEX_FRACTION.fullmatch(text):
        above, below = map(int, match.groups())
        return Fraction(above, below) if below else None
    return None
