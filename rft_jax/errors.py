"""The two exceptions that the command line turns into exit codes of their own."""

from __future__ import annotations


class UserError(ValueError):
    """A mistake of the user's, in one clear line: what, where, both values, the mend (exit 2)."""


class Preempted(Exception):
    """Stopped by SIGTERM with all state saved; the same command goes on from there (exit 75)."""
