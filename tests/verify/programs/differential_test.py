"""The same output as CPython, to the byte: random programs, and the corners of the language."""

from __future__ import annotations

import contextlib
import io
import warnings
from pathlib import Path

import pytest

from rft_jax.verify.programs.limits import Limits
from rft_jax.verify.programs.run import evaluate_program
from tests.verify.programs.grammar import ProgramWriter

_KIND_OF_ERROR = {
    "ZeroDivisionError": "zero division",
    "OverflowError": "overflow",
    "ValueError": "value",
    "TypeError": "type",
    "KeyError": "key",
    "IndexError": "index",
    "NameError": "name",
    "UnboundLocalError": "name",
    "AttributeError": "attribute",
    "AssertionError": "assertion",
    "Exception": "raised",
    "RuntimeError": "runtime",
    "SyntaxError": "syntax",
}


def in_cpython(source: str) -> tuple[str, str]:
    """What CPython prints, and the kind of the error that ends it."""
    output, error = io.StringIO(), ""
    with contextlib.redirect_stdout(output), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            exec(compile(source, "program", "exec"), {"__name__": "__main__"})  # noqa: S102
        except Exception as failure:
            error = _KIND_OF_ERROR[type(failure).__name__]
    return output.getvalue(), error


def here(source: str) -> tuple[str, str]:
    outcome = evaluate_program(source, Limits(output=10**6))
    return outcome.output, outcome.error


def _differences(seeds: range) -> tuple[list[str], int]:
    """Programs whose outcome differs, and how many were evaluated."""
    different, evaluated = [], 0
    for seed in seeds:
        source = ProgramWriter(seed).program()
        ours = here(source)
        if ours[1] in ("unsupported", "limit"):
            continue
        evaluated += 1
        theirs = in_cpython(source)
        if ours != theirs:
            different.append(f"seed {seed}\n{source}\nours {ours}\nCPython {theirs}")
    return different, evaluated


def test_500_random_programs_print_what_cpython_prints():
    different, evaluated = _differences(range(500))
    assert different == []
    assert evaluated >= 400


@pytest.mark.slow
def test_10_000_random_programs_print_what_cpython_prints():
    different, evaluated = _differences(range(1000, 11_000))
    assert different == []
    assert evaluated >= 8_000


CORNERS = Path(__file__).with_name("corners.txt").read_text(encoding="utf-8").split("\n---\n")


@pytest.mark.parametrize("source", CORNERS)
def test_corner_of_the_language_prints_what_cpython_prints(source):
    assert here(source) == in_cpython(source)
