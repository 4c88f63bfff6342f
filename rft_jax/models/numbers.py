"""The positive numbers that a model is computed with."""

from __future__ import annotations

import math
from typing import Any

from rft_jax.errors import UserError

WHOLE, REAL = "positive whole number", "positive number"
"""Kinds of numbers, as messages name them."""
_KINDS: dict[str, Any] = {WHOLE: int, REAL: int | float}
# Sizes and positions are int32, all other numbers float32.
_LARGEST = {WHOLE: 2**31 - 1, REAL: 3.4e38}


def fault_of(value: Any, kind: str) -> str:
    """Why a value, of a file or of a setting, is not such a number; '' if it is one.

    Args:
      kind: WHOLE or REAL.
    """
    is_number = isinstance(value, _KINDS[kind]) and not isinstance(value, bool)
    if not (is_number and 0 < value < math.inf):
        return f"is not a {kind}"
    return "" if value <= _LARGEST[kind] else f"is over the largest that fits, {_LARGEST[kind]}"


def check_positive(owner: Any, kind: str, *names: str) -> None:
    """Refuses fields that are neither such a number nor None.

    Args:
      owner: of the fields.
      kind: WHOLE or REAL.
      names: of the fields.

    Raises:
      UserError: names the field and its value.
    """
    for name in names:
        value = getattr(owner, name)
        if value is not None and (fault := fault_of(value, kind)):
            raise UserError(f"{name} {value!r:.60} {fault}")
