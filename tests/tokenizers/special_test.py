"""Which ids begin, end and fill texts, and what a copy of the folder says of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rft_jax.tokenizers import Tokenizer, load_tokenizer
from tests.tokenizers.conftest import json_folder


def test_pad_is_neither_bos_nor_eos(tokenizer: Tokenizer) -> None:
    assert tokenizer.pad_id not in tokenizer.eos_ids
    assert tokenizer.pad_id != tokenizer.bos_id
    assert 0 <= tokenizer.pad_id < tokenizer.vocab_size


def test_every_token_that_generation_config_lists_ends_a_text(llama3: Path) -> None:
    tokenizer = load_tokenizer(llama3)
    assert (tokenizer.bos_id, tokenizer.eos_id) == (0, 3)
    assert tokenizer.eos_ids == {1, 2, 3}
    assert tokenizer.pad_id == 4


def test_a_sentencepiece_model_alone_follows_llamas_rules(llama2: Path) -> None:
    tokenizer = load_tokenizer(llama2)
    assert (tokenizer.bos_id, tokenizer.eos_id, tokenizer.pad_id) == (1, 2, 0)
    assert tokenizer.eos_ids == {2}
    assert tokenizer.vocab_size == 400


def test_add_bos_token_false_leaves_bos_out(llama2: Path, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.model").write_bytes((llama2 / "tokenizer.model").read_bytes())
    (tmp_path / "tokenizer_config.json").write_text('{"add_bos_token": false}')
    assert load_tokenizer(tmp_path).bos_id is None


def test_a_bos_token_that_does_not_begin_texts_is_not_added(tmp_path: Path) -> None:
    """SmolLM2 declares a BOS token but does not add it; EOS is also its pad token."""
    names = {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "pad_token": "<|im_end|>"}
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    config = names | {"unk_token": "<|endoftext|>"}
    tokenizer = load_tokenizer(json_folder(tmp_path, None, specials, tokenizer_config=config))
    assert tokenizer.bos_id is None
    assert (tokenizer.eos_id, tokenizer.pad_id) == (2, 0)
    assert tokenizer.encode("<|im_start|>7")[0] == 1  # templates write special tokens in a text


def test_a_pad_token_of_its_own_is_kept(tmp_path: Path) -> None:
    config = {"eos_token": {"content": "<eos>", "special": True}, "pad_token": "<pad>"}
    folder = json_folder(tmp_path, None, ["<eos>", "<x>", "<pad>"], tokenizer_config=config)
    assert load_tokenizer(folder).pad_id == 2


def test_eos_is_found_in_the_models_config_and_survives_saving(tmp_path: Path) -> None:
    folder = json_folder(tmp_path / "a", None, ["<x>", "<eos>"], config={"eos_token_id": 1})
    tokenizer = load_tokenizer(folder)
    assert (tokenizer.eos_id, tokenizer.eos_ids) == (1, {1})
    tokenizer.save(tmp_path / "b")
    again = load_tokenizer(tmp_path / "b")
    assert (again.eos_id, again.eos_ids, again.pad_id) == (1, {1}, tokenizer.pad_id)


def test_an_eos_token_that_the_tokenizer_lacks_is_replaced_by_the_listed_one_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = json_folder(
        tmp_path,
        None,
        ["<x>", "<eos>"],
        tokenizer_config={"eos_token": "<|end|>"},
        generation_config={"eos_token_id": 1},
    )
    assert load_tokenizer(folder).eos_id == 1
    assert "lacks eos_token '<|end|>'" in caplog.text and "token 1 is used" in caplog.text


def test_generation_stops_at_the_trained_end_token_in_a_copy_too(tmp_path: Path) -> None:
    """An Instruct model whose generation_config.json lists only the end of a document."""
    folder = json_folder(
        tmp_path / "a",
        None,
        ["<|end_of_text|>", "<|eot_id|>"],
        tokenizer_config={"eos_token": "<|eot_id|>"},
        generation_config={"eos_token_id": 0, "temperature": 0.6},
    )
    tokenizer = load_tokenizer(folder)
    assert tokenizer.config_ids["eos_token_id"] == [1, 0]
    tokenizer.save(tmp_path / "b")
    copied = json.loads((tmp_path / "b/generation_config.json").read_text())
    assert copied == {"eos_token_id": [1, 0], "temperature": 0.6}
    again = load_tokenizer(tmp_path / "b")
    assert (again.eos_id, again.eos_ids) == (1, {0, 1})


def test_the_trained_end_token_is_the_first_of_several_after_saving(tmp_path: Path) -> None:
    folder = json_folder(
        tmp_path / "a", None, ["<a>", "<b>", "<c>"], config={"eos_token_id": [2, 1]}
    )
    tokenizer = load_tokenizer(folder)
    tokenizer.save(tmp_path / "b")
    assert load_tokenizer(tmp_path / "b").eos_id == tokenizer.eos_id == 2


@pytest.mark.parametrize("pad", [None, "<eos>", "[PAD]"])
def test_a_model_without_a_pad_token_declares_none(tmp_path: Path, pad: str | None) -> None:
    """transformers gives the row of a declared pad token no gradient."""
    config = {"eos_token": "<eos>"} | ({"pad_token": pad} if pad else {})
    folder = json_folder(tmp_path, None, ["<eos>"], tokenizer_config=config)
    tokenizer = load_tokenizer(folder)
    assert tokenizer.pad_id == 1  # an ordinary token, which only fills
    assert tokenizer.config_ids == {
        "bos_token_id": None,
        "eos_token_id": 0,
        "pad_token_id": None,
    }
    tokenizer.save(tmp_path / "b")
    copied = json.loads((tmp_path / "b/generation_config.json").read_text())
    assert copied == {"eos_token_id": 0}


def test_a_declared_pad_token_stays_declared(tmp_path: Path) -> None:
    config = {"eos_token": "<eos>", "pad_token": "<pad>"}
    folder = json_folder(tmp_path, None, ["<eos>", "<pad>"], tokenizer_config=config)
    assert load_tokenizer(folder).config_ids["pad_token_id"] == 1
