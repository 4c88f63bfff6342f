"""Whether programs can be executed in a sandbox on this machine."""

from __future__ import annotations

from rft_jax.errors import UserError
from rft_jax.verify.programs.run import Outcome
from rft_jax.verify.sandbox.faults import SandboxFault
from rft_jax.verify.sandbox.run import run_in_sandbox

_AGAIN = "that says nothing about a program; run the command again"
_TEST, _PRINTED = "print(6 * 7)", "42"


def sandbox_fault() -> str:
    """Why there is no sandbox here; '' where it works."""
    try:
        outcome = run_in_sandbox(_TEST)
    except (SandboxFault, OSError) as error:
        return str(error)
    is_printed = outcome.last_line == _PRINTED
    return "" if is_printed else f"{_TEST!r} in the sandbox: {outcome.detail or outcome.output!r}"


def run_or_refuse(source: str) -> Outcome:
    """`run_in_sandbox`, for a command.

    Raises:
      UserError: the sandbox failed.
    """
    try:
        return run_in_sandbox(source)
    except (SandboxFault, OSError) as error:
        raise UserError(f"programs = 'sandbox': {error}; {_AGAIN}") from error


def require_sandbox() -> None:
    """Refuses to go without a sandbox.

    Raises:
      UserError: there is none here, and why.
    """
    if fault := sandbox_fault():
        raise UserError(
            f"programs = 'sandbox': {fault}; it needs bubblewrap 0.7 or newer (apt-get install "
            "bubblewrap) and a kernel that allows it, or leave programs = 'evaluator'"
        )
