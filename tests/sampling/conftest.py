"""A tiny model and problems, on disk, for the tests of runs."""

from __future__ import annotations

from pathlib import Path

import jax
import pytest

from rft_jax.checkpoints.huggingface import export_model
from rft_jax.files.jsonl import write_rows
from rft_jax.models.config import LlamaConfig
from rft_jax.models.llama import init_params
from rft_jax.prompts import TEMPLATES
from rft_jax.tokenizers import load_tokenizer
from rft_jax.wordproblems.vocabulary import TOKENIZER_FOLDER


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random `model` of at most 128 tokens and 30 `problems.jsonl`."""
    folder = tmp_path_factory.mktemp("sampling")
    tokenizer = load_tokenizer(TOKENIZER_FOLDER)
    config = LlamaConfig(
        vocab_size=tokenizer.vocab_size,
        hidden_size=16,
        intermediate_size=24,
        num_layers=1,
        num_heads=2,
        num_kv_heads=1,
        max_position_embeddings=128,
    )
    params = init_params(config, jax.random.key(0))
    export_model(folder / "model", config, params, tokenizer, TEMPLATES["plain"], "float32")
    rows = [
        {"id": f"p{i}", "question": f"Amy has {i} apples.", "answer": "#### 1"} for i in range(30)
    ]
    write_rows(folder / "problems.jsonl", rows)
    return folder
