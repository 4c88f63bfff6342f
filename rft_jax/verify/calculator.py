"""Results of calculator annotations: what belongs behind the `=` of `<<12*3=`."""

from __future__ import annotations

from rft_jax.arithmetic.values import rounded, simplified, spell
from rft_jax.verify.expressions import exact_postfix, exact_value

PLACES = 6
"""Decimals of a result that does not end sooner."""
_MOST_DIGITS = 20
_OPENING, _CLOSING = "<<", ">>"


def calculated(text: str) -> str:
    """The result of the annotation that a text ends in, and its end: `36>>` behind `<<12*3=`.

    '' where the text does not end in an expression and `=` within an open annotation, or where the
    expression has no value or one of more than 20 characters.
    """
    _, opening, expression = text.rpartition(_OPENING)
    if not opening or _CLOSING in expression or not expression.endswith("="):
        return ""
    try:
        value = exact_value(exact_postfix(expression.removesuffix("=")))
        result = spell(simplified(rounded(value, PLACES)))
    except (ValueError, ArithmeticError):
        return ""
    return f"{result}{_CLOSING}" if len(result) <= _MOST_DIGITS else ""
