"""Logits against stored ones of Hugging Face transformers; runs where torch is not installed."""

from __future__ import annotations

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from rft_jax.checkpoints.huggingface import import_params
from rft_jax.checkpoints.huggingface_config import read_config
from rft_jax.models.llama import Llama, unembed
from tests.golden.make_llama_goldens import CASES, PATH
from tests.llama_twin import random_tensors, random_tokens, write_folder


@pytest.mark.parametrize("name", CASES)
def test_logits_equal_the_stored_ones_of_hugging_face(tmp_path: Path, name: str) -> None:
    content = CASES[name]
    folder = write_folder(tmp_path, content, random_tensors(content))
    config = read_config(folder)
    params = import_params(folder, config)
    tokens = jnp.asarray(random_tokens(content))
    positions = jnp.broadcast_to(jnp.arange(tokens.shape[1]), tokens.shape)
    hidden, _ = Llama(config).apply({"params": params}, tokens, positions)
    with np.load(PATH) as golden:
        expected = golden[name]
    assert expected.shape == (*tokens.shape, config.vocab_size)
    assert np.abs(expected).max() > 1
    np.testing.assert_allclose(unembed(params, hidden), expected, atol=1e-4, rtol=0)
