"""Operations worked out digit by digit (Nye et al. 2112.00114): sums, differences, products.

The working of an operation stands in braces before its result. Numbers are aligned at their
decimal points and their signs left out:

- a sum, from the last digit: `{8+7+0=15,2+6+1=9}`, the third number is the carry;
- a difference, the smaller from the larger: `{2-8-0=4,6-1-1=4}`, the third is what was borrowed,
  and the result is that of the digit, after a borrow of ten where it is needed;
- a product, by the digits of the right number, then their running sum:
  `{128*7=896,128*60=7680,896+7680=8576}`.

Quotients and fractions have no working.
"""

from __future__ import annotations

from rft_jax.arithmetic.steps import Step
from rft_jax.arithmetic.values import Value, spell

OPENING, CLOSING = "{", "}"


def working(step: Step) -> str:
    """The working of one operation in braces; '' where there is none."""
    if step.sign == "/" or not (_ends(step.left) and _ends(step.right)):
        return ""
    left, right = _as_integers(step.left, step.right)
    if step.sign == "*":
        lines = _product(left, right)
    elif (step.left < 0) == ((step.right < 0) != (step.sign == "-")):
        lines = _sum(left, right)
    else:
        lines = _difference(max(left, right), min(left, right))
    return OPENING + ",".join(lines) + CLOSING


def _ends(value: Value) -> bool:
    return "/" not in spell(value)


def _as_integers(left: Value, right: Value) -> tuple[int, int]:
    """Both values without signs, in the smallest unit that either is written in."""
    places = [len(spell(value).partition(".")[2]) for value in (left, right)]
    unit = 10 ** max(places)
    return abs(int(left * unit)), abs(int(right * unit))


def _digits(value: int, count: int) -> list[int]:
    """The digits, the last one first."""
    return [int(digit) for digit in reversed(str(value).rjust(count, "0"))]


def _sum(left: int, right: int) -> list[str]:
    count = max(len(str(left)), len(str(right)))
    lines, carry = [], 0
    for a, b in zip(_digits(left, count), _digits(right, count), strict=True):
        total = a + b + carry
        lines.append(f"{a}+{b}+{carry}={total}")
        carry = total // 10
    return lines


def _difference(larger: int, smaller: int) -> list[str]:
    count = len(str(larger))
    lines, borrow = [], 0
    for a, b in zip(_digits(larger, count), _digits(smaller, count), strict=True):
        rest = a - b - borrow
        lines.append(f"{a}-{b}-{borrow}={rest % 10}")
        borrow = int(rest < 0)
    return lines


def _product(left: int, right: int) -> list[str]:
    lines, total = [], 0
    for place, digit in enumerate(_digits(right, 1)):
        factor = digit * 10**place
        if not factor and right:
            continue
        lines.append(f"{left}*{factor}={left * factor}")
        if total:
            lines.append(f"{total}+{left * factor}={total + left * factor}")
        total += left * factor
    return lines
