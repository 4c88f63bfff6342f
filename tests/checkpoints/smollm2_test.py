"""A real pretrained model: SmolLM2-135M in $SMOLLM2_DIR, questions of GSM8K in $GSM8K_DIR.

The folder is made by launch/smollm2_from_gguf.py.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rft_jax.checkpoints.load import LoadedModel, load_model
from rft_jax.files.jsonl import read_rows
from rft_jax.models.config import LlamaConfig
from rft_jax.models.kv_cache import KVCache, empty_cache
from rft_jax.models.llama import Llama, Params, unembed
from rft_jax.prompts import get_template

FOLDER, GSM8K = os.environ.get("SMOLLM2_DIR", ""), os.environ.get("GSM8K_DIR", "")
NUM_QUESTIONS, NUM_TOKENS = 3, 64
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (FOLDER and GSM8K), reason="needs SMOLLM2_DIR and GSM8K_DIR"),
]


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    return load_model(FOLDER)


@pytest.fixture(scope="module")
def their_model() -> Any:
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    return transformers.AutoModelForCausalLM.from_pretrained(FOLDER, dtype=torch.float32)


def _prompts(model: LoadedModel) -> list[list[int]]:
    rows = read_rows(Path(GSM8K) / "test.jsonl")
    questions = [row["question"] for _, (_, row) in zip(range(NUM_QUESTIONS), rows, strict=False)]
    template = get_template("smollm2")
    return [model.tokenizer.encode(template.render(question)) for question in questions]


@partial(jax.jit, static_argnums=0)
def _step(
    config: LlamaConfig, params: Params, tokens: jax.Array, start: jax.Array, cache: KVCache
) -> tuple[jax.Array, KVCache]:
    positions = start + jnp.arange(tokens.shape[1])[None]
    hidden, cache = Llama(config).apply({"params": params}, tokens, positions, None, cache)
    return jnp.argmax(unembed(params, hidden[:, -1]), axis=-1), cache


def _greedy(model: LoadedModel, prompt: list[int]) -> list[int]:
    cache = empty_cache(model.config, slots=1, columns=512)
    tokens, start, found = jnp.array([prompt]), 0, []
    while len(found) < NUM_TOKENS and (not found or found[-1] not in model.tokenizer.eos_ids):
        chosen, cache = _step(model.config, model.params, tokens, jnp.int32(start), cache)
        start += tokens.shape[1]
        tokens = chosen[:, None]
        found.append(int(chosen[0]))
    return found


def test_greedy_answers_equal_hugging_faces_token_for_token(
    model: LoadedModel, their_model: Any
) -> None:
    import torch

    for prompt in _prompts(model):
        out = their_model.generate(
            torch.tensor([prompt]), max_new_tokens=NUM_TOKENS, do_sample=False, pad_token_id=0
        )
        theirs = out[0, len(prompt) :].tolist()
        assert len(theirs) > 20
        assert _greedy(model, prompt) == theirs


def test_logits_of_a_question_equal_hugging_faces(model: LoadedModel, their_model: Any) -> None:
    import torch

    prompt = _prompts(model)[0]
    with torch.no_grad():
        theirs = their_model(torch.tensor([prompt])).logits.numpy()
    positions = jnp.arange(len(prompt))[None]
    hidden, _ = Llama(model.config).apply({"params": model.params}, jnp.array([prompt]), positions)
    np.testing.assert_allclose(unembed(model.params, hidden), theirs, atol=1e-3, rtol=0)
