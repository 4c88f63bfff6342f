"""Programs as models write them: nearly all are supported, and print what CPython prints."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rft_jax.verify.programs.run import evaluate_program
from rft_jax.verify.programs.source import read_program
from tests.verify.programs.differential_test import in_cpython

_TITLE = re.compile(r"^### (.*?) = (.*)\n", re.MULTILINE)
_TEXT = (Path(__file__).parent / "written.txt").read_text(encoding="utf-8")
_, *_PARTS = _TITLE.split(_TEXT)
PROGRAMS = {
    title: (answer, text)
    for title, answer, text in zip(_PARTS[::3], _PARTS[1::3], _PARTS[2::3], strict=True)
}
_UNSUPPORTED = "(unsupported)"


def test_at_least_98_percent_of_more_than_fifty_are_supported() -> None:
    errors = [evaluate_program(read_program(text)).error for _, text in PROGRAMS.values()]
    assert len(PROGRAMS) == _TEXT.count("### ") == 55
    assert sum(error == "unsupported" for error in errors) <= 0.02 * len(PROGRAMS)


@pytest.mark.parametrize("title", PROGRAMS)
def test_a_program_prints_its_answer_as_cpython_does(title: str) -> None:
    answer, text = PROGRAMS[title]
    source = read_program(text)
    outcome = evaluate_program(source)
    if answer == _UNSUPPORTED:
        assert outcome.error == "unsupported"
        return
    assert outcome.last_line == answer
    assert (outcome.output, outcome.error) == in_cpython(source)
