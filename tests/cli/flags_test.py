"""Flags that are given twice, or without a value, are refused before any work."""

from __future__ import annotations

import pytest

from rft_jax import cli
from tests.cli.words import collect_words


def test_a_flag_given_twice_is_refused_with_both_values(rft, problems, samples, tmp_path):
    words = collect_words(problems, samples, tmp_path / "out")
    code, lines = rft(*words, "--problems", "others.jsonl")
    assert (code, len(lines)) == (2, 1)
    assert f"argument --problems: given twice, {problems} and others.jsonl" in lines[0]
    assert not (tmp_path / "out").exists()


def test_a_repeatable_flag_keeps_all_of_its_values():
    words = ["collect", "--problems", "p", "--output", "o", "--samples", "a", "--samples", "b"]
    assert cli.build_parser().parse_known_args(words)[0].samples == ["a", "b"]


@pytest.mark.parametrize(
    "words",
    [
        ["collect", "--problems", "", "--output", "o"],
        ["collect", "--problems", "p", "--output", ""],
        ["collect", "--problems", "p", "--samples", "", "--output", "o"],
        ["run", "--model", "", "--output", "o"],
        ["sample", "--model", "m", "--server", " ", "--problems", "p", "--output", "o"],
        ["report", "", "--output", "o"],
        ["export-hf", "m", ""],
    ],
)
def test_a_flag_without_a_value_is_refused(rft, words):
    """As `--output "$OUT"` is where the variable is not set."""
    code, lines = rft(*words)
    assert (code, len(lines)) == (2, 1)
    assert "the value is empty" in lines[0]


def test_a_system_message_may_be_empty():
    words = ["import-hf", "m", "n", "--system_prompt", ""]
    assert cli.build_parser().parse_known_args(words)[0].system_prompt == ""
