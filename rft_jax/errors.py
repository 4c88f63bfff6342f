"""The exceptions that end a command, each with its exit code."""

from __future__ import annotations


class UserError(ValueError):
    """A user's mistake, in one clear line: what, where, both values and the fix."""

    exit_code = 2


class Preempted(Exception):
    """Stopped by SIGTERM or Ctrl-C with all state saved; the same command resumes the work."""

    exit_code = 75


class StageFailed(Exception):
    """A process that this command started failed, and not by a user's mistake.

    Args:
      message: what failed, with the end of its log.
      exit_code: the command's own.
    """

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def error_with(exit_code: int, message: str) -> Exception:
    """The exception that ends a command with this exit code."""
    for kind in (UserError, Preempted):
        if kind.exit_code == exit_code:
            return kind(message)
    return StageFailed(message, exit_code)
