"""A program's outcome in the sandbox, by the same kinds of errors as that of an evaluated one."""

from __future__ import annotations

import re
import signal
from functools import lru_cache

from rft_jax.verify.programs.errors import ERROR_TYPES
from rft_jax.verify.programs.limits import Limits, Meter
from rft_jax.verify.programs.run import Outcome
from rft_jax.verify.sandbox.launcher import SOURCE
from rft_jax.verify.sandbox.limits import SandboxLimits
from rft_jax.verify.sandbox.process import Ended, execute

_FRAME = re.compile(rf'^ *File "{SOURCE}", line (\d+)', re.MULTILINE)
_RAISED = re.compile(r"^([A-Za-z_][\w.]*)(?::.*)?$", re.MULTILINE)
_SIGNALS = 128  # added to a signal's number, it is the status of a process that it ended
_DETAIL = 200
# Names of exceptions that `ERROR_TYPES` does not have, or has for catching alone.
_KINDS = {
    **{name: one.kinds[0] for name, one in ERROR_TYPES.items()},
    "SyntaxError": "syntax",
    "IndentationError": "syntax",
    "TabError": "syntax",
    "UnboundLocalError": "name",
    "DivisionByZero": "zero division",
    "InvalidOperation": "value",
    "UnicodeEncodeError": "value",
    "UnicodeDecodeError": "value",
    "RecursionError": "limit",
    "MemoryError": "limit",
    "ModuleNotFoundError": "unsupported",
}


# So a sample has one outcome within a process, and a program that is sampled again costs nothing.
@lru_cache(maxsize=4096)
def run_in_sandbox(source: str, limits: SandboxLimits | None = None) -> Outcome:
    """Executes a program by CPython in a sandbox of its own.

    As with `evaluate_program`, one that prints nothing and defines `solution` without parameters
    prints its value. Operations are not recorded.

    Raises:
      SandboxFault: the sandbox failed; that is never a verdict on the program.
    """
    limits = limits or SandboxLimits()
    ended = execute(source, limits)
    output = ended.output.decode("utf-8", "replace")
    error, detail, line = _error(ended, limits)
    if not error and len(output) > limits.output:
        error, detail = "limit", f"more than {limits.output:,} characters of output"
    return Outcome(output[: limits.output], error, detail, line, Meter(Limits()))


def _error(ended: Ended, limits: SandboxLimits) -> tuple[str, str, int | None]:
    """Kind, detail and line of the error by which a program ended; '' for none."""
    if ended.spent:
        return "limit", f"more than {ended.spent}", None
    if not ended.status:
        return "", "", None
    if ended.status in (_SIGNALS + signal.SIGXCPU, _SIGNALS + signal.SIGKILL):
        return "limit", f"more than {limits.cpu_seconds} seconds of CPU time", None
    errors = ended.errors.decode("utf-8", "replace")
    frames = list(_FRAME.finditer(errors))
    raised = _RAISED.search(errors, frames[-1].end() if frames else 0)
    line = int(frames[-1][1]) if frames else None
    if raised is None:
        return "raised", f"ends with status {ended.status}", line
    kind = _KINDS.get(raised[1].rpartition(".")[2], "raised")
    return kind, raised[0][:_DETAIL], line
