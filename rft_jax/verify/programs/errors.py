"""Errors that programs raise and catch, as names for kinds of mistakes."""

from __future__ import annotations

from dataclasses import dataclass

from rft_jax.verify.programs.limits import KINDS

_CATCHABLE = tuple(dict.fromkeys(kind for kind in KINDS if kind not in ("limit", "syntax")))


@dataclass(frozen=True, slots=True, eq=False)
class ErrorType:
    """A class of errors.

    Attributes:
      name: as programs write it.
      kinds: of `ProgramError`, that it catches; the first is what raising it makes.
    """

    name: str
    kinds: tuple[str, ...]


_OF_ONE_KIND = {
    "ZeroDivisionError": "zero division",
    "OverflowError": "overflow",
    "ValueError": "value",
    "TypeError": "type",
    "KeyError": "key",
    "IndexError": "index",
    "NameError": "name",
    "AttributeError": "attribute",
    "AssertionError": "assertion",
    "RuntimeError": "runtime",
}
ERROR_TYPES = {
    **{name: ErrorType(name, (kind,)) for name, kind in _OF_ONE_KIND.items()},
    "ArithmeticError": ErrorType("ArithmeticError", ("value", "zero division", "overflow")),
    "LookupError": ErrorType("LookupError", ("key", "index")),
    "Exception": ErrorType("Exception", ("raised", *_CATCHABLE)),
    "BaseException": ErrorType("BaseException", ("raised", *_CATCHABLE)),
}
