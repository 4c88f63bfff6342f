"""The sandbox's own failure, which is never a verdict on a program."""

from __future__ import annotations


class SandboxFault(RuntimeError):
    """The sandbox did not start, or was ended by someone else than the program or its limits."""
