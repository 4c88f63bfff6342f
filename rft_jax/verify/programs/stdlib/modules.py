"""The modules that programs may import: `math`, `fractions`, `decimal`."""

from __future__ import annotations

import ast
import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from rft_jax.verify.programs.limits import BudgetSpent, ProgramError
from rft_jax.verify.programs.operators import apply_binary, as_decimal_int, check_number, guarded
from rft_jax.verify.programs.stdlib.builtins import DECIMAL, FRACTION
from rft_jax.verify.programs.stdlib.signature import checked, numeric
from rft_jax.verify.programs.values import NUMBERS, Builtin, Module, Value, listed, type_name

if TYPE_CHECKING:
    from rft_jax.verify.programs.machine import Machine

# Type hints alone come from these; annotations are not evaluated.
IGNORED_MODULES = ("typing", "__future__")


def _whole(name: str, value: Value) -> int:
    if type(value) not in (int, bool):
        raise ProgramError("type", f"{name}(): {type_name(value)!r} object is not a whole number")
    return int(value)


def _factorial(machine: Machine, n: Value, /) -> int:
    number = _whole("factorial", n)
    if number > 1:
        machine.meter.need_bits(int(math.lgamma(min(number, 10**12) + 1) / math.log(2)))
        machine.meter.step(number >> 3)
    return guarded(math.factorial, number)


def _comb(machine: Machine, n: Value, k: Value, /) -> int:
    first, second = _whole("comb", n), _whole("comb", k)
    _need_product(machine, first, min(second, first - second))
    return check_number(machine.meter, guarded(math.comb, first, second))


def _perm(machine: Machine, n: Value, k: Value = None, /) -> int:
    first = _whole("perm", n)
    second = first if k is None else _whole("perm", k)
    _need_product(machine, first, second)
    return check_number(machine.meter, guarded(math.perm, first, second))


def _need_product(machine: Machine, n: int, factors: int) -> None:
    """Refuses a product of more factors than a number within the budget can have."""
    if factors > machine.meter.limits.bits:
        raise BudgetSpent("factors", machine.meter.limits.bits)
    if factors > 0:
        machine.meter.step(1 + factors * n.bit_length() // 64)


def _many(name: str, function: Any) -> Builtin:
    """A function of any number of whole numbers that makes none longer than their product."""

    def call(machine: Machine, *values: Value) -> int:
        numbers = [_whole(name, value) for value in values]
        machine.meter.need_bits(sum(number.bit_length() for number in numbers))
        return guarded(function, *numbers)

    return Builtin(name, checked(name, call))


def _prod(machine: Machine, iterable: Value, /, *, start: Value = 1) -> Value:
    total = start
    for item in listed(machine.meter, iterable):
        total = apply_binary(machine.meter, ast.Mult, total, item)
    return total


def _fsum(machine: Machine, iterable: Value, /) -> float:
    items = listed(machine.meter, iterable)
    if not all(type(item) in NUMBERS for item in items):
        raise ProgramError("type", "fsum() takes numbers")
    return guarded(math.fsum, items)


def _log(machine: Machine, value: Value, base: Value = None, /) -> float:
    numbers = (value,) if base is None else (value, base)
    if not all(type(number) in NUMBERS for number in numbers):
        raise ProgramError("type", "log() takes numbers")
    return guarded(math.log, *numbers)


def _isclose(
    machine: Machine, a: Value, b: Value, *, rel_tol: Value = 1e-9, abs_tol: Value = 0.0
) -> bool:
    for number in (a, b, rel_tol, abs_tol):
        if type(number) not in NUMBERS:
            raise ProgramError("type", "isclose() takes numbers")
    return guarded(lambda: math.isclose(a, b, rel_tol=rel_tol, abs_tol=abs_tol))


def _rounded(name: str, function: Any) -> Builtin:
    """`floor` and its kind, which make a whole number of a decimal of any size."""

    def call(machine: Machine, value: Value, /) -> int:
        if type(value) not in NUMBERS:
            raise ProgramError("type", f"must be real number, not {type_name(value)}")
        if type(value) is Decimal:
            as_decimal_int(machine.meter, value)
        return check_number(machine.meter, guarded(function, value))

    return Builtin(name, checked(name, call))


_OF_ONE = (
    "sqrt isqrt exp log2 log10 log1p expm1 sin cos tan asin acos atan sinh cosh tanh degrees "
    "radians fabs isnan isinf isfinite cbrt gamma erf"
).split()
_OF_TWO = ["pow", "atan2", "fmod", "copysign", "remainder"]
_MATH: dict[str, Value] = {
    **{name: Builtin(name, numeric(name, getattr(math, name))) for name in _OF_ONE},
    **{name: Builtin(name, numeric(name, getattr(math, name), 2)) for name in _OF_TWO},
    **{name: _rounded(name, getattr(math, name)) for name in ("floor", "ceil", "trunc")},
    "gcd": _many("gcd", math.gcd),
    "lcm": _many("lcm", math.lcm),
    "hypot": Builtin("hypot", checked("hypot", lambda _m, *values: guarded(math.hypot, *values))),
    "factorial": Builtin("factorial", checked("factorial", _factorial)),
    "comb": Builtin("comb", checked("comb", _comb)),
    "perm": Builtin("perm", checked("perm", _perm)),
    "prod": Builtin("prod", checked("prod", _prod)),
    "fsum": Builtin("fsum", checked("fsum", _fsum)),
    "log": Builtin("log", checked("log", _log)),
    "isclose": Builtin("isclose", checked("isclose", _isclose)),
    "pi": math.pi,
    "e": math.e,
    "tau": math.tau,
    "inf": math.inf,
    "nan": math.nan,
}
MODULES = {
    "math": Module("math", _MATH),
    "fractions": Module("fractions", {"Fraction": FRACTION}),
    "decimal": Module("decimal", {"Decimal": DECIMAL}),
}
