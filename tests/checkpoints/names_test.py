"""Names of models: the package's own, and paths."""

from __future__ import annotations

from pathlib import Path

import pytest

from rft_jax.checkpoints.names import (
    EMBEDDED,
    MIXED,
    MIXED_TOKENIZER,
    TOKENIZER,
    model_folder,
    tokenizer_folder,
)
from rft_jax.tokenizers import load_tokenizer


@pytest.mark.parametrize(
    ("name", "tokenizer_name"), [(EMBEDDED, TOKENIZER), (MIXED, MIXED_TOKENIZER)]
)
def test_an_embedded_model_and_its_tokenizer_are_folders_of_the_package(
    name: str, tokenizer_name: str
) -> None:
    model, tokenizer = model_folder(name), tokenizer_folder(tokenizer_name)
    assert (Path(model) / "config.json").is_file()
    assert load_tokenizer(tokenizer).fingerprint == load_tokenizer(model).fingerprint


@pytest.mark.parametrize("path", ["tests/sft", "/models/7b", "wordproblems:other"])
def test_any_other_name_is_a_path(path: str) -> None:
    assert model_folder(path) == tokenizer_folder(path) == path


def test_the_second_models_tokenizer_has_the_firsts_ids_and_more() -> None:
    first, mixed = (load_tokenizer(tokenizer_folder(n)) for n in (TOKENIZER, MIXED_TOKENIZER))
    text = "Amy has <<12+7=19>>19 shells.\n#### 19"
    assert mixed.encode(text) == first.encode(text)
    assert mixed.vocab_size > first.vocab_size
