"""Which paths of a problem are the same: a ladder of keys, each coarser than the one before."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache

from rft_jax.verify.expressions import MalformedError, canonical_text, exact_postfix

RUNGS = ("exact_text", "equations", "canonical", "unordered")


def dedup_key(mode: str, response: str, equations: Sequence[str], sample: str) -> str:
    """Equal for paths that count as the same.

    Args:
      mode: `none` (the key is `sample`, a name of its own for each), or one of RUNGS.
    """
    if mode == "equations":
        return equations_key(equations)
    if mode == "none":
        return sample
    if mode == "exact_text":
        return hashlib.sha256(response.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return coarser_key(mode, equations)


def equations_key(equations: Sequence[str]) -> str:
    """The paper's key: the equations in order, spaces removed."""
    return "|".join(equations).replace(" ", "")


def coarser_key(mode: str, equations: Sequence[str]) -> str:
    """The key of the rungs `canonical` and `unordered`."""
    canonical = map(canonical_equation, equations)
    return "|".join(canonical if mode == "canonical" else sorted(canonical))


@lru_cache(maxsize=100_000)
def canonical_equation(equation: str) -> str:
    """The equation with the operands of sums and products sorted; as it is where unreadable."""
    try:
        return "=".join(canonical_text(exact_postfix(side)) for side in equation.split("="))
    except MalformedError:
        return equation.replace(" ", "")
