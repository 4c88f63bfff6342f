"""Plain numbers as exact rationals: what people and models write for one value."""

from __future__ import annotations

import re
from fractions import Fraction
from math import floor

from rft_jax.verify.notation import CURRENCY, MINUS_SIGNS

# A text of more characters, its exponent's zeros among them, is not a plain number: Python writes
# 4,300 digits at most, and a ratio has those of two numbers.
MAX_DIGITS = 2000
# A decimal of at least so many significant digits may stand for the exact value that it rounds.
ROUNDED_DIGITS = 6

# A sign and a currency mark, in either order.
_FRONT = re.compile(rf"(?:[+-]\s*[{CURRENCY}]?|[{CURRENCY}]\s*[+-]?)?\s*")
_DIGITS = r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,3}(?: [0-9]{3})+|[0-9]+)"
_DECIMAL = re.compile(
    rf"(?P<whole>{_DIGITS})?(?P<point>\.(?P<decimals>[0-9]*))?(?:[eE](?P<power>[+-]?[0-9]{{1,5}}))?"
)
_REPEATING = re.compile(r"([0-9]*)\.([0-9]*) ?\\(?:overline|bar) ?\{ ?([0-9]+) ?\}")
_SCIENTIFIC = re.compile(
    r"([0-9.]+) ?(?:\\times|\\cdot|[x×*]) ?10 ?(?:\^|\*\*) ?\{? ?([+-]?[0-9]{1,5}) ?\}?"
)
_TERM = r"(\{ ?-?[0-9]+ ?\}|[0-9])"
_FRACTION = re.compile(
    rf"(?:([0-9]+)(?: +| ?(?=\\)))?(?:([0-9]+) ?/ ?([0-9]+)|\\[dtc]?frac ?{_TERM} ?{_TERM})"
)


def parse_number(text: str) -> Fraction | None:
    r"""The value of a plain number, exactly, or None when the text is something else.

    Reads thousands commas and spaces (`1,234.50`, `1 234`), currency signs (`$5`, `-$5`, `\$5`),
    fractions (`3/4`, `1 1/2`, `\frac{3}{4}`, `1\frac34`), scientific notation (`1.5e3`,
    `1.5\times10^3`), repeating decimals (`0.1\overline{6}`), trailing zeros and dots (`18.`,
    `18.00`), signs, Unicode minus included. Neither `nan` nor `inf` is a number.
    """
    if len(text) > MAX_DIGITS:
        return None
    rest, digits = _plain(text), _unsigned(text)
    value = parse_decimal(digits)
    if value is None:
        value = _fraction(digits)
    if value is None:
        return None
    return -value if "-" in rest[: len(rest) - len(digits)] else value


def _plain(text: str) -> str:
    """The text with one minus sign and one dollar sign for all spellings, no blanks around it."""
    return text.translate(MINUS_SIGNS).replace("\\$", "$").strip()


def _unsigned(text: str) -> str:
    """The text without its sign and its currency mark."""
    return _FRONT.sub("", _plain(text), count=1)


def parse_decimal(text: str) -> Fraction | None:
    """An unsigned decimal (`1,234.5`, `.5`, `18.`, `1.5e3`), exactly, or None."""
    match = _DECIMAL.fullmatch(text)
    if match is None:
        return None
    whole, decimals, power = match["whole"] or "", match["decimals"] or "", int(match["power"] or 0)
    if (not whole and not decimals) or len(text) + abs(power) > MAX_DIGITS:
        return None
    digits = whole.replace(",", "").replace(" ", "") + decimals
    return Fraction(int(digits)) * Fraction(10) ** (power - len(decimals))


def _fraction(text: str) -> Fraction | None:
    if match := _FRACTION.fullmatch(text):
        whole, *terms = match.groups()
        above, below = (int(term.strip("{} ")) for term in terms if term)
        return int(whole or 0) + Fraction(above, below) if below else None
    if match := _REPEATING.fullmatch(text):
        whole, decimals, period = match.groups()
        repeated = Fraction(int(period), 10 ** len(period) - 1)
        return (int(whole + decimals or 0) + repeated) / 10 ** len(decimals)
    if match := _SCIENTIFIC.fullmatch(text):
        return parse_decimal(f"{match[1]}e{match[2]}")
    return None


def is_decimal(text: str) -> bool:
    """Whether a number is written with digits after a decimal point."""
    match = _DECIMAL.fullmatch(_unsigned(text))
    return match is not None and bool(match["decimals"])


def rounds(text: str, exact: Fraction) -> bool:
    """Whether a decimal is an exact value, cut or rounded at the decimal's last digit.

    It must have at least `ROUNDED_DIGITS` significant digits: `0.333333` rounds 1/3, `0.3333` does
    not.
    """
    match = _DECIMAL.fullmatch(_unsigned(text))
    value = parse_number(text)
    if match is None or value is None or value * exact <= 0:
        return False
    digits = re.sub("[, ]", "", (match["whole"] or "") + (match["decimals"] or "")).lstrip("0")
    unit = Fraction(10) ** (int(match["power"] or 0) - len(match["decimals"] or ""))
    units = abs(exact) / unit
    is_near = abs(value) / unit in (floor(units), floor(units + Fraction(1, 2)))
    return len(digits) >= ROUNDED_DIGITS and is_near
