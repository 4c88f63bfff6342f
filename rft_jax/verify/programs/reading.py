"""The answer that a response's program prints, or the verdict on a program that prints none."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Context
from typing import NamedTuple

from rft_jax.records import Reason
from rft_jax.verify.programs.limits import Operation
from rft_jax.verify.programs.run import Outcome, evaluate_program
from rft_jax.verify.programs.source import read_program
from rft_jax.verify.programs.trace import as_equations
from rft_jax.verify.sandbox.check import require_sandbox, run_or_refuse

EVALUATOR, SANDBOX = "evaluator", "sandbox"
RUNNERS: dict[str, Callable[[str], Outcome]] = {
    EVALUATOR: evaluate_program,
    SANDBOX: run_or_refuse,
}
"""What `programs` is set to -> the function from a program to its outcome."""

# Digits to which a printed float is rounded; sixteen are exact, and errors take the last ones.
ROUNDED_DIGITS = 12
_ROUNDED = Context(prec=ROUNDED_DIGITS)
_FLOAT = re.compile(r"-?[0-9]+\.[0-9]+(?:e[-+][0-9]+)?")
_NUMBER = r"-?[0-9]+(?:\.[0-9]*)?(?:e[-+][0-9]+)?(?:/[0-9]+)?"
_NUMBERS = re.compile(rf"{_NUMBER}(?:[ \t]+{_NUMBER})+")
_LONGEST_DETAIL = 200
_LARGEST_EXPONENT = 400  # of a printed float that is rounded; Python's own end at 324


class ProgramAnswer(NamedTuple):
    """What a response's program prints.

    Attributes:
      answer: the last line printed; numbers beside each other are a list, and a float has
        ROUNDED_DIGITS digits. None where there is no answer.
      printed: the answer before floats were rounded.
      operations: that the program executed; the sandbox records none.
      verdict: of a program without an answer; '' where there is one.
      reason: of the verdict.
    """

    answer: str | None
    printed: str
    operations: list[Operation]
    verdict: str
    reason: Reason | None


def check_programs(programs: str) -> None:
    """Refuses a setting of RUNNERS that this machine cannot follow, before any work is done.

    Raises:
      UserError: there is no sandbox here, and why.
    """
    if programs == SANDBOX:
        require_sandbox()


def read_program_answer(response: str, is_cut: bool, programs: str = EVALUATOR) -> ProgramAnswer:
    """Evaluates the program of a response, or executes it in the sandbox.

    Args:
      is_cut: whether the response was stopped by its length.
      programs: one of RUNNERS.

    Raises:
      UserError: the sandbox failed, which is never a verdict.
    """
    source = read_program(response)
    outcome = RUNNERS[programs](source)
    line = outcome.last_line
    operations = outcome.meter.operations
    if outcome.error or line is None:
        verdict, reason = _verdict(outcome, source, response, is_cut)
        return ProgramAnswer(None, "", operations, verdict, reason)
    printed = ", ".join(line.split()) if _NUMBERS.fullmatch(line) else line
    return ProgramAnswer(_rounded(printed), printed, operations, "", None)


def program_equations(response: str) -> list[str]:
    """The operations that a response's program executes, as equations."""
    return as_equations(read_program_answer(response, is_cut=False).operations)


def _verdict(
    outcome: Outcome, source: str, response: str, is_cut: bool
) -> tuple[str, Reason | None]:
    if is_cut:
        return "truncated", None
    if not outcome.error:
        return "no_output", None
    start = response.rfind(source)
    line = outcome.line
    if line is not None:
        line = line + response.count("\n", 0, start) if start >= 0 else None
    verdict = "unsupported" if outcome.error == "unsupported" else "program_error"
    return verdict, Reason(outcome.error, outcome.detail[:_LONGEST_DETAIL], line)


def _rounded(printed: str) -> str:
    if len(printed) <= ROUNDED_DIGITS or not _FLOAT.fullmatch(printed):
        return printed
    try:
        number = _ROUNDED.create_decimal(printed)
    except ArithmeticError:  # an exponent beyond decimal's
        return printed
    return f"{number.normalize():f}" if abs(number.adjusted()) <= _LARGEST_EXPONENT else printed
