"""Which paths of a problem are duplicates: dedup levels, each with a coarser key."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from functools import lru_cache

from rft_jax.records import PROGRAM
from rft_jax.rft.rows import Row
from rft_jax.verify.canonical import canonical_text, spell_number
from rft_jax.verify.expressions import MalformedError, exact_postfix
from rft_jax.verify.operations import operations
from rft_jax.verify.programs.canonical import program_key
from rft_jax.verify.programs.source import read_program

# The common form, which needs no parser to be put in order.
_PLAIN = r"([0-9]{1,15}(?:\.[0-9]{1,15})?)"
_ONE_OPERATION = re.compile(rf"{_PLAIN}([-+*/]){_PLAIN}={_PLAIN}")
_FIRST_SIGN = {"+": "+", "-": "+", "*": "*", "/": "*"}
_CACHED_CHARS = 200  # longest equation whose form is cached, so that the cache is bounded
# From fine to coarse; `stats.json` counts distinct paths at each.
DEDUP_LEVELS = ("exact_text", "equations", "canonical", "unordered")
# The level of texts and programs alike, coarser than all others.
TRACE = "trace"


def text_key(text: str) -> str:
    """A digest of a whole text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def equations_key(equations: Sequence[str]) -> str:
    """The paper's key: the equations in order, spaces removed."""
    return "|".join(equations).replace(" ", "")


def content_key(equations: Sequence[str], text: str, form: str) -> tuple[str, str]:
    """What two paths share that say the same: form, and equations or, without any, the text."""
    return form, equations_key(equations) or text


def coarser_key(mode: str, equations: Sequence[str]) -> str:
    """The key of the levels `canonical` and `unordered`."""
    canonical = map(canonical_equation, equations)
    return "|".join(canonical if mode == "canonical" else sorted(canonical))


def source_key(row: Row) -> str:
    """A digest of a program with its variables renamed; of any other text, of the text."""
    is_program = row.form == PROGRAM
    return text_key(program_key(read_program(row.response)) if is_program else row.response)


def trace_key(equations: Sequence[str]) -> str:
    """The multiset of the operations in the equations, which are those a program executed."""
    return "|".join(sorted(one for equation in equations for one in operations(equation)))


def canonical_equation(equation: str) -> str:
    """The equation with the operands of sums and products sorted; unreadable ones unchanged."""
    short = len(equation) <= _CACHED_CHARS
    return _cached_canonical(equation) if short else _canonical(equation)


def _canonical(equation: str) -> str:
    equation = equation.replace(" ", "")
    match = _ONE_OPERATION.fullmatch(equation)
    if match:
        left, sign, right, result = match.groups()
        parts = _FIRST_SIGN[sign] + spell_number(left), sign + spell_number(right)
        return f"{''.join(sorted(parts))}={spell_number(result)}"
    try:
        return "=".join(canonical_text(exact_postfix(side)) for side in equation.split("="))
    except MalformedError:
        return equation


_cached_canonical = lru_cache(maxsize=100_000)(_canonical)

KEYS: dict[str, Callable[[Row, Sequence[str]], str]] = {
    "none": lambda row, _: f"{row.model}/{row.sample}",
    "exact_text": lambda row, _: text_key(row.response),
    "equations": lambda _, equations: equations_key(equations),
    "canonical": lambda _, equations: coarser_key("canonical", equations),
    "unordered": lambda _, equations: coarser_key("unordered", equations),
    "program": lambda row, _: source_key(row),
    "trace": lambda _, equations: trace_key(equations),
}
"""Name -> the function from a sample and its equations to a key, which duplicates share."""
