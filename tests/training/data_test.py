"""What `--data` names, as token arrays: files, named sets, and folders of arrays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rft_jax.errors import UserError
from rft_jax.files.jsonl import write_rows
from rft_jax.prompts import TEMPLATES, Template
from rft_jax.tokenizers import load_tokenizer
from rft_jax.training.data import load_training_data
from rft_jax.training.settings import TrainSettings
from rft_jax.training.token_arrays import TokenArrays
from rft_jax.wordproblems.vocabulary import TOKENIZER_FOLDER

TOKENIZER = load_tokenizer(str(TOKENIZER_FOLDER))
PLAIN = TEMPLATES["plain"]
ROWS = [{"query": f"Lily has {i} pens.", "response": f"{i} + 1 = {i + 1}"} for i in range(2, 8)]


def _load(*data: Path | str, template: Template = PLAIN, **settings: Any) -> TokenArrays:
    return load_training_data(
        list(map(str, data)), TOKENIZER, template, TrainSettings(max_length=64, **settings)
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write_rows(tmp_path / "paths.jsonl", ROWS)
    return tmp_path / "paths.jsonl"


@pytest.fixture
def folder(file: Path, tmp_path: Path) -> Path:
    _load(file).save(tmp_path / "tokens")
    return tmp_path / "tokens"


def _texts(arrays: TokenArrays) -> list[str]:
    pairs = zip(arrays.offsets, arrays.offsets[1:], strict=False)
    return [TOKENIZER.decode(arrays.tokens[begin:end]) for begin, end in pairs]


def test_a_file_becomes_an_example_per_row_prompt_before_response(file: Path) -> None:
    assert _texts(_load(file)) == [f"{row['query']}\n{row['response']}" for row in ROWS]


def test_several_files_are_concatenated_in_their_order(file: Path, tmp_path: Path) -> None:
    write_rows(tmp_path / "more.jsonl", ROWS[:1])
    texts = _texts(_load(file))
    assert _texts(_load(file, tmp_path / "more.jsonl")) == [*texts, texts[0]]


def test_a_folder_of_token_arrays_holds_the_same_examples(file: Path, folder: Path) -> None:
    for name in ("tokens", "offsets", "prompt_lengths", "questions"):
        assert np.array_equal(getattr(_load(folder), name), getattr(_load(file), name))


@pytest.mark.parametrize("limit", [1, 4, 100])
def test_a_limit_takes_the_first_examples_of_either(file: Path, folder: Path, limit: int) -> None:
    expected = _texts(_load(file))[:limit]
    assert _texts(_load(file, limit=limit)) == _texts(_load(folder, limit=limit)) == expected


def test_a_limit_counts_examples_of_files_before_and_of_arrays_after_some_are_left_out(
    tmp_path: Path,
) -> None:
    file, folder = tmp_path / "gaps.jsonl", tmp_path / "tokens"
    write_rows(file, [{"query": "a", "response": ""}, {"query": "b", "response": "1 " * 99}, *ROWS])
    _load(file).save(folder)
    assert [len(_load(data, limit=4)) for data in (file, folder)] == [2, 4]


def test_a_limits_manifest_counts_what_it_takes(file: Path, folder: Path) -> None:
    of_file, of_folder = _load(file, limit=4), _load(folder, limit=4)
    for name in ("examples", "tokens", "response_tokens"):
        assert of_folder.manifest[name] == of_file.manifest[name]
    assert of_folder.manifest["tokenizer"] == TOKENIZER.fingerprint
    assert _load(folder, limit=6).manifest == _load(folder).manifest


def test_stages_need_to_know_which_examples_are_from_which_data(
    file: Path, folder: Path, tmp_path: Path
) -> None:
    stages: dict[str, Any] = {"curriculum": ((1.0, 1.0, 1.0),), "num_steps": 4}
    with pytest.raises(UserError, match="tokens: doesn't say which examples are from which data"):
        _load(folder, **stages)
    both = _load(file, file, **stages)
    both.save(tmp_path / "both")
    assert np.array_equal(_load(tmp_path / "both", **stages).tokens, both.tokens)
    with pytest.raises(UserError, match=r"a stage of 1 data, .*both is made of 2; give every"):
        _load(tmp_path / "both", curriculum=((1.0, 1.0),), num_steps=4)


def test_data_of_which_no_example_is_left_is_named(file: Path, tmp_path: Path) -> None:
    write_rows(tmp_path / "long.jsonl", [{"query": "a b", "response": "1 " * 99}])
    stages: dict[str, Any] = {"curriculum": ((1.0, 1.0, 1.0),), "num_steps": 4}
    with pytest.raises(UserError, match=r"/long\.jsonl: no example is left: 1 read"):
        _load(file, tmp_path / "long.jsonl", **stages)
    with pytest.raises(UserError, match=r"/long\.jsonl: no example is left: 1 read"):
        _load(tmp_path / "long.jsonl")


def test_arrays_of_another_template_are_refused_with_both_names(folder: Path) -> None:
    with pytest.raises(UserError, match="made with template 'plain', the model's is 'alpaca'"):
        _load(folder, template=TEMPLATES["alpaca"])
    assert _load(folder, template=replace(PLAIN, name="mine"))  # the same prompt


def test_arrays_of_another_tokenizer_or_beside_other_data_or_too_long_are_refused(
    file: Path, folder: Path
) -> None:
    with pytest.raises(UserError, match="can't be joined with other --data"):
        _load(folder, file)
    with pytest.raises(UserError, match=r"an example has \d+ tokens, a row of train\.max_length 4"):
        load_training_data([str(folder)], TOKENIZER, PLAIN, TrainSettings(max_length=4))
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace(TOKENIZER.fingerprint, "0" * 64))
    with pytest.raises(UserError, match="made with tokenizer '0000"):
        _load(folder)


@pytest.mark.parametrize("token", [-1, 10**6])
def test_tokens_that_the_tokenizer_lacks_are_refused(folder: Path, token: int) -> None:
    tokens = np.load(folder / "tokens.npy")
    tokens[3] = token
    np.save(folder / "tokens.npy", tokens)
    with pytest.raises(UserError, match=rf"{token}.* the tokenizer has {TOKENIZER.vocab_size}"):
        _load(folder)


def test_a_name_that_is_neither_a_file_nor_a_task_is_refused() -> None:
    with pytest.raises(UserError, match=r"missing\.jsonl: no such file"):
        _load("missing.jsonl")
