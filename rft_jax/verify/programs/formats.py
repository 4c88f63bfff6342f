"""Format specifications: decimals, percent and thousands commas, and no other.

Widths, which make texts of any length, and fields that read attributes are unsupported.
"""

from __future__ import annotations

import re
from decimal import Decimal

from rft_jax.verify.programs.limits import Meter, Unsupported
from rft_jax.verify.programs.operators import guarded
from rft_jax.verify.programs.values import Value, type_name

_SPEC = re.compile(r",?(?:\.\d{1,2})?[f%]|,?d|,")
_TYPES = (int, float, bool, Decimal)


def format_number(meter: Meter, value: Value, spec: str) -> str:
    """`format(value, spec)` of a number.

    Raises:
      Unsupported: another specification, or a value that is not a number.
    """
    if _SPEC.fullmatch(spec) is None or type(value) not in _TYPES:
        raise Unsupported(f"the format {spec!r:.40} of a {type_name(value)}")
    if type(value) is Decimal and abs(value.adjusted()) > meter.limits.output:
        raise Unsupported("formatting a decimal of that size")
    text = guarded(format, value, spec)
    meter.make_characters(len(text))
    return text
