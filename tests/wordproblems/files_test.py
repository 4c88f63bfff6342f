from __future__ import annotations

from pathlib import Path

import pytest

from rft_jax.errors import UserError
from rft_jax.files.jsonl import read_rows
from rft_jax.records import read_problems
from rft_jax.wordproblems.files import write_split
from rft_jax.wordproblems.generator import generate_problems
from rft_jax.wordproblems.pretraining import pretraining_rows
from tests.wordproblems.usual import usual_problems


@pytest.mark.parametrize(
    ("split", "size"),
    [
        ("train", 1000),
        ("dev", 500),
        ("test", 2000),
        ("dev-names", 500),
        ("test-large", 2000),
        pytest.param("test2", 4000, marks=pytest.mark.slow),
    ],
)
def test_a_split_has_its_usual_size_and_reads_back_as_problems(tmp_path: Path, split, size):
    output = tmp_path / f"{split}.jsonl"
    assert write_split(split, output) == size
    assert tuple(read_problems(output)) == usual_problems(split)


@pytest.mark.parametrize("name", ["pretrain.jsonl", "pretrain.jsonl.gz"])
def test_the_pretraining_text_is_bounded_by_tokens(tmp_path: Path, name: str):
    output = tmp_path / name
    written = write_split("pretrain", output, seed=2, tokens=20_000)
    rows = [row for _, row in read_rows(output)]
    assert rows == list(pretraining_rows(seed=2, tokens=20_000))
    assert len(rows) == written


def test_size_and_seed_are_taken(tmp_path: Path):
    output = tmp_path / "some.jsonl"
    assert write_split("dev", output, size=7, seed=5) == 7
    assert read_problems(output) == generate_problems("dev", 7, seed=5)
    assert write_split("pretrain", output, size=9, seed=5) == 9


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "pretrain"}, "no end"),
        ({"split": "train", "tokens": 100}, "pretrain only"),
        ({"split": "valid"}, "'valid': choose one of pretrain, pretrain-mixed, train, dev, test"),
        ({"split": "train", "size": 0}, "size is 0; it must be at least 1"),
        ({"split": "pretrain", "tokens": -5}, "tokens is -5"),
    ],
)
def test_a_mistake_is_named_and_leaves_the_file_alone(tmp_path: Path, arguments, message):
    output = tmp_path / "out.jsonl"
    output.write_text("what was there\n")
    with pytest.raises(UserError, match=message):
        write_split(output=output, **arguments)
    assert output.read_text() == "what was there\n"
    assert [path.name for path in tmp_path.iterdir()] == ["out.jsonl"]
