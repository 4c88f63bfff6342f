from __future__ import annotations

from pathlib import Path

import pytest

from rft_jax.arithmetic.files import write_split
from rft_jax.arithmetic.settings import ArithmeticSettings
from rft_jax.data.preprocess import training_examples
from rft_jax.data.sources import load_problems
from rft_jax.errors import UserError
from rft_jax.files.jsonl import read_rows

SETTINGS = ArithmeticSettings()


def test_a_split_is_written_as_problems_whose_answers_have_the_form(tmp_path: Path):
    path = tmp_path / "dev.jsonl.gz"
    assert write_split("dev", path, 20, 0, None, "direct", SETTINGS) == 20
    problems = load_problems(str(path))
    assert [p.question for p in problems] == [
        p.question for p in load_problems("arithmetic:dev")[:20]
    ]
    assert all(p.question.endswith("=") and "=" not in p.answer for p in problems)
    assert problems[0].id.startswith("arithmetic-dev/")


def test_answers_without_steps_can_be_trained_on(tmp_path: Path):
    path = tmp_path / "train.jsonl"
    write_split("train", path, 20, 0, None, "direct", SETTINGS)
    assert len(list(training_examples(str(path)))) == 20


def test_pretraining_rows_are_whole_lines_and_end_at_the_token_bound(tmp_path: Path):
    path = tmp_path / "pretrain.jsonl"
    count = write_split("pretrain", path, None, 0, 1000, "steps", SETTINGS)
    rows = [row for _, row in read_rows(path)]
    lengths = [len(row["response"]) + 1 for row in rows]
    assert len(rows) == count and sum(lengths[:-1]) < 1000 <= sum(lengths)
    assert all(row["query"] == "" and "=" in row["response"] for row in rows)


@pytest.mark.parametrize(
    ("split", "size", "tokens", "message"),
    [
        ("tests", None, None, "unknown split 'tests': choose one of pretrain, train, dev"),
        ("test", 0, None, "size is 0; it must be at least 1"),
        ("test", None, 100, "that bounds pretrain only; give split test a size"),
        ("pretrain", None, None, "give a number of tokens, or a size in rows"),
    ],
)
def test_a_bad_split_or_bound_is_refused(tmp_path: Path, split, size, tokens, message: str):
    with pytest.raises(UserError, match=message):
        write_split(split, tmp_path / "x.jsonl", size, 0, tokens, "steps", SETTINGS)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_name_says_which_there_are():
    with pytest.raises(UserError, match="there are train, dev, test, test-digits"):
        load_problems("arithmetic:validation")


@pytest.mark.parametrize("start", ["\ufeff", "\n", "\ufeff \r\n\n"])
def test_a_file_of_expressions_may_begin_with_a_byte_order_mark_and_blank_lines(
    tmp_path: Path, start: str
):
    (tmp_path / "e.txt").write_bytes(f"{start}12+3*4=\r\n2*3=\r\n".encode())
    found = load_problems(str(tmp_path / "e.txt"))
    assert [(one.question, one.answer) for one in found] == [("12+3*4=", "24"), ("2*3=", "6")]
