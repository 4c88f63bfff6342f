"""A small model folder with everything in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tokenizers

from tests.llama_twin import LLAMA3_ROPE, random_tensors, tiny_config, write_folder


def write_tokenizer(folder: Path) -> None:
    """Bytes of printable ASCII as tokens, behind <pad>, <s>, </s>."""
    words = ["<pad>", "<s>", "</s>", *map(chr, range(32, 80))]
    model = tokenizers.models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<pad>")
    backend = tokenizers.Tokenizer(model)
    backend.pre_tokenizer = tokenizers.pre_tokenizers.Split("", "isolated")
    backend.decoder = tokenizers.decoders.Fuse()
    backend.add_special_tokens(words[:3])
    backend.save(str(folder / "tokenizer.json"))
    names = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
    config = names | {"tokenizer_class": "PreTrainedTokenizerFast"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


@pytest.fixture(scope="session")
def content() -> dict[str, Any]:
    """The `config.json` of the model folder."""
    return tiny_config(8, 2, rope=LLAMA3_ROPE)


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory, content: dict[str, Any]) -> Path:
    """A Hugging Face folder: grouped queries, llama3 rotary scaling, a table for the logits."""
    folder = write_folder(tmp_path_factory.mktemp("model"), content, random_tensors(content))
    write_tokenizer(folder)
    return folder
