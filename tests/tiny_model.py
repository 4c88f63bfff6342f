"""Random parameters, logits, and a small model's folder, for tests that need any model.

Compiled as a whole: operation by operation, some hundred small programs take longer than one.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from rft_jax.checkpoints.huggingface import export_model
from rft_jax.models.config import LlamaConfig
from rft_jax.models.llama import Llama, Params, init_params, unembed
from rft_jax.prompts import TEMPLATES
from rft_jax.tokenizers import load_tokenizer
from rft_jax.wordproblems.vocabulary import TOKENIZER_FOLDER


def random_params(config: LlamaConfig) -> Params:
    """The parameters of key 0."""
    return jax.jit(init_params, static_argnums=0)(config, jax.random.key(0))


@partial(jax.jit, static_argnums=0)
def logits_of(config: LlamaConfig, params: Params, tokens: Any) -> jax.Array:
    """Logits of rows of tokens that begin at position 0, by the full forward pass."""
    positions = jnp.broadcast_to(jnp.arange(tokens.shape[1]), tokens.shape)
    return unembed(params, Llama(config).apply({"params": params}, tokens, positions)[0])


def write_tiny_model(folder: Path, **changes: Any) -> Path:
    """Writes the folder of a model of one layer with the embedded tokenizer, and returns it.

    Args:
      folder: what is written.
      changes: of its shape.
    """
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
    params = random_params(config)
    export_model(folder, config, params, tokenizer, TEMPLATES["plain"])
    return folder
