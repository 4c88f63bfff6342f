"""Formats of a line behind its expression and `=`, and what they say when they are read.

- `steps`: the expression after every operation, and the answer: `12+3*4=12+12=24`.
- `direct`: the answer alone.
- `reversed`: as `steps`, with `<` in front and the digits of every number from the last to the
  first: `<21+21=42`. The sign stays before a number.
- `scratchpad`: as `steps`, with the working of each operation in braces before its form.

`reading.plain_steps` reads all of them, so nobody has to say in which format a response is.
"""

from __future__ import annotations

from collections.abc import Callable

from rft_jax.arithmetic import scratchpad
from rft_jax.arithmetic.generator import Line
from rft_jax.arithmetic.reading import REVERSED, turned
from rft_jax.arithmetic.steps import changes


def _steps(line: Line) -> str:
    return "=".join([step.form for step in changes(line.expression, line.steps)])


def _direct(line: Line) -> str:
    return line.steps[-1].form


def _reversed(line: Line) -> str:
    return REVERSED + turned(_steps(line))


def _scratchpad(line: Line) -> str:
    steps = changes(line.expression, line.steps)
    return "=".join([scratchpad.working(step) + step.form for step in steps])


FORMATS: dict[str, Callable[[Line], str]] = {
    "steps": _steps,
    "direct": _direct,
    "reversed": _reversed,
    "scratchpad": _scratchpad,
}
"""Name -> the function from a line to its text behind the expression and `=`."""
