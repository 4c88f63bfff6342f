"""A program's outcome: what it printed, or why it did not end well."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rft_jax.verify.programs.limits import Limits, Meter, ProgramError, Unsupported
from rft_jax.verify.programs.machine import Machine
from rft_jax.verify.programs.source import parse_program
from rft_jax.verify.programs.stdlib.builtins import BUILTINS
from rft_jax.verify.programs.values import Function, text_of

logger = logging.getLogger(__name__)
# Frames of ours for the deepest program that the limits allow; they lie on the heap, not the stack.
_FRAMES = 40_000
# A function that models define and forget to call; its value is the output.
_ENTRY = "solution"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a program ended.

    Attributes:
      output: what it printed, up to where it ended.
      error: '' for a program that ran to its end; else a kind of `limits.KINDS`, or `unsupported`.
      detail: the error in words.
      line: where it arose, from 1; None for none.
      meter: what it used.
    """

    output: str
    error: str
    detail: str
    line: int | None
    meter: Meter

    @property
    def last_line(self) -> str | None:
        """The last line printed that is not blank: the program's answer."""
        lines = [line.strip() for line in self.output.splitlines() if line.strip()]
        return lines[-1] if lines else None


def evaluate_program(source: str, limits: Limits | None = None) -> Outcome:
    """Evaluates a program; nothing of it is compiled, imported or executed by Python.

    A program that prints nothing and defines `solution` without parameters prints its value. One
    that makes the evaluator itself fail is unsupported, and a warning shows it.
    """
    limits = limits or Limits()
    machine = Machine(limits, BUILTINS)
    error, detail, line = "", "", None
    try:
        tree = parse_program(source, limits)
        with _deep_enough():
            machine.execute(tree.body)
            if not machine.output:
                _call_entry(machine)
    except ProgramError as mistake:
        error, detail, line = mistake.kind, mistake.detail, mistake.line
    except Unsupported as missing:
        error, detail = "unsupported", str(missing)
    except Exception as fault:  # the evaluator's, not the program's; one never ends a command
        error, detail = "unsupported", f"{type(fault).__name__} of the evaluator"
        logger.warning("a program made the evaluator fail: %.500r", source, exc_info=fault)
    if error and machine.line:
        line = machine.line
    return Outcome("".join(machine.output), error, detail, line, machine.meter)


def _call_entry(machine: Machine) -> None:
    entry = machine.frame.values.get(_ENTRY)
    if type(entry) is not Function:
        return
    required = entry.parameters.args[: len(entry.parameters.args) - len(entry.defaults)]
    if not required and not entry.parameters.posonlyargs:
        value = machine.call(entry, [], {})
        if value is not None:
            text = text_of(machine.meter, value)
            machine.meter.print(len(text))
            machine.output.append(text)


@contextmanager
def _deep_enough() -> Iterator[None]:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, _FRAMES))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
