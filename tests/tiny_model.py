"""A random model of one layer with the embedded tokenizer, for tests that need any model folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import jax

from rft_jax.checkpoints.huggingface import export_model
from rft_jax.models.config import LlamaConfig
from rft_jax.models.llama import init_params
from rft_jax.prompts import TEMPLATES
from rft_jax.tokenizers import load_tokenizer
from rft_jax.wordproblems.vocabulary import TOKENIZER_FOLDER


def write_tiny_model(folder: Path, **changes: Any) -> Path:
    """Writes the model's folder and returns it; `changes` are of its shape."""
    tokenizer = load_tokenizer(TOKENIZER_FOLDER)
    config = LlamaConfig(
        vocab_size=tokenizer.vocab_size,
        hidden_size=16,
        intermediate_size=32,
        num_layers=1,
        num_heads=2,
        num_kv_heads=1,
    )
    config = replace(config, **changes)
    params = init_params(config, jax.random.key(0))
    export_model(folder, config, params, tokenizer, TEMPLATES["plain"])
    return folder
