"""Whether two formulas mean the same: Math-Verify over SymPy, in a process of its own.

SymPy can run for ever, take all memory or crash on what a model writes. So every comparison has a
deadline in CPU seconds (the load of the machine does not count) and a memory limit, both enforced
in the child; a child that gets past them, because it sits in one long C call, is killed and
replaced. A comparison that was stopped is a TimeoutError and never "not equal".
"""

from __future__ import annotations

import logging
import resource
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

from rft_jax.verify.answers import normalise_answer
from rft_jax.workers.child import Child, ChildDiedError

MAX_CHARS = 1_000  # of a formula; longer ones are compared as text alone
MAX_MEMORY = 2 << 30  # bytes of address space
_START_SECONDS = 600.0
# Past its CPU seconds the system ends a child; this is for one that does not run at all.
_IDLE_SECONDS = 60.0
_MEMO_SIZE = 10_000
# A rounded decimal agrees with an exact value when six digits do.
_ROUNDING = 5e-6


class SymbolicComparer:
    """Compares formulas in one child process, started at the first comparison.

    Args:
      timeout: CPU seconds of one comparison.
    """

    def __init__(self, timeout: float = 5.0) -> None:
        self._timeout = timeout
        self._child: Child | None = None
        self._memo: dict[tuple[str, str], bool] = {}

    def __enter__(self) -> SymbolicComparer:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the child process."""
        if self._child is not None:
            self._child.close()
            self._child = None

    def equal(self, reference: str, answer: str) -> bool:
        """Whether the answer means the same as the reference.

        Raises:
          TimeoutError: it took too long, too much memory, or crashed.
        """
        pair = normalise_answer(reference), normalise_answer(answer)
        if pair[0] == pair[1]:
            return True
        if not all(pair) or max(map(len, pair)) > MAX_CHARS:
            return False
        if pair not in self._memo:
            if len(self._memo) >= _MEMO_SIZE:
                self._memo.clear()
            self._memo[pair] = self._ask(pair)
        return self._memo[pair]

    def _ask(self, pair: tuple[str, str]) -> bool:
        child = self._child = self._child or self._start()
        try:
            child.send(pair)
            result = child.receive(timeout=20 * self._timeout + _IDLE_SECONDS)
        except (TimeoutError, ChildDiedError) as error:
            self.close()
            raise TimeoutError(f"comparing {pair[1]!r:.60} with {pair[0]!r:.60}") from error
        if result is None:
            raise TimeoutError(f"comparing {pair[1]!r:.60} with {pair[0]!r:.60}")
        return result

    def _start(self) -> Child:
        """Starts a child and waits until it is ready, so that importing SymPy is not counted."""
        child = Child("rft_jax.verify.symbolic:make_comparer", self._timeout)
        try:
            child.send(None)
            child.receive(timeout=_START_SECONDS)
        except (TimeoutError, ChildDiedError) as error:
            child.close()
            raise RuntimeError(
                f"the process that compares formulas did not start ({error}); "
                "try: python -c 'import math_verify'"
            ) from error
        return child


class _OutOfTimeError(BaseException):
    """Raised by the timer; no `except Exception` of a library's can swallow it."""


def make_comparer(timeout: float) -> Callable[[tuple[str, str] | None], bool | None]:
    """In the child: returns the function that compares a pair; None means that it was stopped."""
    import math_verify  # noqa: F401  (imported before the limits apply)

    logging.disable(logging.CRITICAL)
    _limit_memory()
    signal.signal(signal.SIGPROF, _raise_out_of_time)

    def compare(pair: tuple[str, str] | None) -> bool | None:
        if pair is None:
            return True
        _limit_cpu(timeout + 2)
        signal.setitimer(signal.ITIMER_PROF, timeout)
        try:
            return means_the_same(*pair)
        except (_OutOfTimeError, MemoryError, RecursionError):
            return None
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)

    return compare


def _raise_out_of_time(_signal: int, _frame: FrameType | None) -> None:
    raise _OutOfTimeError


def _limit_memory() -> None:
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    limit = MAX_MEMORY if hard == resource.RLIM_INFINITY else min(MAX_MEMORY, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


def _limit_cpu(seconds: float) -> None:
    """Has the system end this process when one long C call goes past the timer."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    limit = int(usage.ru_utime + usage.ru_stime + seconds) + 1
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (limit, hard))


def means_the_same(reference: str, answer: str) -> bool:
    """Compares two normalised formulas with Math-Verify; call it where nothing else can suffer."""
    import math_verify

    gold = math_verify.parse(f"${reference}$", parsing_timeout=None)
    found = math_verify.parse(f"${answer}$", parsing_timeout=None)
    if not gold or not found:
        return False
    if not math_verify.verify(gold, found, timeout_seconds=None):
        return False
    return _numbers_agree(gold[0], found[0])


def _numbers_agree(gold: Any, found: Any) -> bool:
    """Math-Verify rounds to six decimals, so 1/2004! would equal 1/2006!; numbers must agree here.

    Exact values must agree to 30 digits, values with a rounded decimal to six.
    """
    import sympy

    if not (isinstance(gold, sympy.Expr) and isinstance(found, sympy.Expr)):
        return True
    if gold.free_symbols or found.free_symbols:
        return True
    is_rounded = gold.has(sympy.Float) or found.has(sympy.Float)
    left, right = (sympy.N(value.doit(), 40) for value in (gold, found))
    if not (left.is_number and right.is_number):
        return True
    tolerance = _ROUNDING if is_rounded else 1e-30
    return bool(abs(left - right) <= tolerance * max(abs(left), abs(right)))
