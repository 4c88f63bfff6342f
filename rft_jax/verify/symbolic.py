"""What formulas mean, asked of a process of its own, because SymPy works on what a model wrote.

SymPy can run for ever, take all memory or crash on it. So every request has a deadline in CPU
seconds (the load of the machine does not count) and a memory limit, both enforced in the child; a
child that gets past them, because it sits in one long C call, is killed and replaced. A request
that was stopped is a TimeoutError and never "not equal".
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

from rft_jax.workers.child import Child, ChildDiedError
from rft_jax.workers.limits import limit_cpu, limit_memory

MAX_MEMORY = 2 << 30  # bytes of address space
_START_SECONDS = 600.0
# Past its CPU seconds the system ends a child; this is for one that does not run at all.
_IDLE_SECONDS = 60.0
_MEMO_SIZE = 10_000


class Formulas:
    """Questions about formulas, answered by one child process that the first of them starts.

    Args:
      timeout: CPU seconds of one question.
    """

    def __init__(self, timeout: float = 5.0) -> None:
        self._timeout = timeout
        self._child: Child | None = None
        self._memo: dict[tuple, Any] = {}

    def close(self) -> None:
        """Ends the child process."""
        if self._child is not None:
            self._child.close()
            self._child = None

    def equal(self, left: tuple[str, str], right: tuple[str, str]) -> bool:
        """Whether two formulas, each with its unit, mean the same, whichever comes first.

        Raises:
          TimeoutError: it took too long, too much memory, or crashed; so do the other questions.
        """
        return self._ask("equal", *sorted((left, right)))

    def factor(self, left: tuple[str, str, str], right: tuple[str, str, str]) -> int:
        """The sign of the constant that turns one relation into another; 0 where there is none.

        Args:
          left, right: the relation's left side, sign and right side.
        """
        return self._ask("factor", *sorted((left, right)))

    def value(self, formula: str) -> list[str]:
        """Digits of a formula's value; three values where it has variables, none where it fails."""
        return self._ask("value", formula)

    def _ask(self, *request: Any) -> Any:
        if request not in self._memo:
            if len(self._memo) >= _MEMO_SIZE:
                self._memo.clear()
            self._memo[request] = self._answer(request)
        return self._memo[request]

    def _answer(self, request: tuple) -> Any:
        child = self._child = self._child or self._start()
        try:
            child.send(request)
            reply = child.receive(timeout=20 * self._timeout + _IDLE_SECONDS)
        except (TimeoutError, ChildDiedError) as error:
            self.close()
            raise TimeoutError(f"stopped: {request!r:.200}") from error
        if not reply:
            raise TimeoutError(f"stopped: {request!r:.200}")
        return reply[0]

    def _start(self) -> Child:
        """Starts a child and waits until it is ready, so that importing SymPy is not counted."""
        child = Child("rft_jax.verify.symbolic:make_answerer", self._timeout)
        try:
            child.send(("value", "0"))
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


def make_answerer(timeout: float) -> Callable[[tuple], list[Any]]:
    """In the child: returns the function that answers; an empty list means that it was stopped."""
    from rft_jax.verify import formulas  # imports SymPy, before the limits apply

    # Each question with its answer about formulas that SymPy fails on.
    questions: dict[str, tuple[Callable[..., Any], Any]] = {
        "equal": (formulas.equal, False),
        "factor": (formulas.factor, 0),
        "value": (formulas.value, []),
    }
    logging.disable(logging.CRITICAL)
    limit_memory(MAX_MEMORY)
    signal.signal(signal.SIGPROF, _raise_out_of_time)

    def answer(request: tuple) -> list[Any]:
        question, on_failure = questions[request[0]]
        limit_cpu(timeout + 2)
        signal.setitimer(signal.ITIMER_PROF, timeout)
        try:
            return [question(*request[1:])]
        except (_OutOfTimeError, MemoryError, RecursionError):
            return []
        except Exception:
            return [on_failure]
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)

    return answer


def _raise_out_of_time(_signal: int, _frame: FrameType | None) -> None:
    raise _OutOfTimeError
