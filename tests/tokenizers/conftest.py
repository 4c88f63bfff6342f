"""Folders with a tokenizer of either kind."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
import tokenizers

from rft_jax.tokenizers import Tokenizer, load_tokenizer

TEXT = [
    "Natalia sold clips to 48 of her friends in April, and then she sold half as many in May.",
    "Weng earns $12 an hour for babysitting. Yesterday, she just did 50 minutes of babysitting.",
    "How many eggs does Janet eat? She eats 3 + 4 = <<3+4=7>>7 eggs.\n#### 7",
] * 20


def byte_level(bos: str | None, specials: list[str]) -> tokenizers.Tokenizer:
    """A tokenizer as Llama 3 has it: byte-level BPE, BOS by the post-processor or not at all."""
    backend = tokenizers.Tokenizer(tokenizers.models.BPE())
    backend.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=specials,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(TEXT, trainer)
    if bos:
        backend.post_processor = tokenizers.processors.TemplateProcessing(
            single=f"{bos} $A", special_tokens=[(bos, backend.token_to_id(bos))]
        )
    return backend


def json_folder(
    folder: Path, bos: str | None, specials: list[str], **files: dict[str, Any]
) -> Path:
    folder.mkdir(exist_ok=True)
    byte_level(bos, specials).save(str(folder / "tokenizer.json"))
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


@pytest.fixture(scope="session")
def llama3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Several tokens end a text, BOS begins it, no pad token is declared."""
    return json_folder(
        tmp_path_factory.mktemp("llama3"),
        "<|begin|>",
        ["<|begin|>", "<|end|>", "<|eom|>", "<|eot|>", "<|reserved|>"],
        tokenizer_config={"bos_token": "<|begin|>", "eos_token": "<|eot|>"},
        generation_config={"eos_token_id": [1, 2, 3]},
    )


def sentencepiece_folder(folder: Path) -> Path:
    """A SentencePiece model with byte fallback, as LLaMA's: unknown 0, BOS 1, EOS 2, no pad."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXT),
        model_writer=model,
        model_type="bpe",
        vocab_size=400,
        byte_fallback=True,
        split_digits=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        minloglevel=2,
    )
    (folder / "tokenizer.model").write_bytes(model.getvalue())
    return folder


@pytest.fixture(scope="session")
def llama2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sentencepiece_folder(tmp_path_factory.mktemp("llama2"))


@pytest.fixture(params=["llama2", "llama3"])
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    return load_tokenizer(request.getfixturevalue(request.param))
