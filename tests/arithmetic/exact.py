"""Exact values of expressions by the verifier's parser, which shares nothing with the generator."""

from __future__ import annotations

from fractions import Fraction

from rft_jax.verify.expressions import exact_postfix, exact_value

_ROUND = str.maketrans("[]", "()")


def exact(text: str) -> Fraction:
    return exact_value(exact_postfix(text.translate(_ROUND)))
