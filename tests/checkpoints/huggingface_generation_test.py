"""Greedy tokens of our exports and of every family equal those of transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from rft_jax.checkpoints.huggingface import export_model
from rft_jax.checkpoints.load import load_model
from rft_jax.models.kv_cache import empty_cache
from rft_jax.models.llama import Llama, unembed
from tests.checkpoints.conftest import write_tokenizer
from tests.llama_twin import FAMILIES, random_tensors, tiny_config, write_folder


def test_transformers_generates_our_greedy_tokens_from_an_export(
    model_folder: Path, tmp_path: Path
) -> None:
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    model = load_model(model_folder)
    export_model(tmp_path, model.config, model.params, model.tokenizer, model.template)
    model = load_model(tmp_path)
    prompt = [1, *model.tokenizer.encode("3 + 4")]
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert tokenizer("3 + 4", add_special_tokens=False).input_ids == prompt[1:]
    out = theirs.generate(torch.tensor([prompt]), max_new_tokens=20, do_sample=False)
    assert _greedy(model, prompt, 20) == out[0, len(prompt) :].tolist()


@pytest.mark.parametrize("family", FAMILIES)
def test_greedy_tokens_of_every_family_equal_transformers(family: str, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    content = tiny_config(4, 2, model_type=family, **FAMILIES[family])
    write_tokenizer(write_folder(tmp_path, content, random_tensors(content)))
    model = load_model(tmp_path)
    prompt = [1, *model.tokenizer.encode("3 + 4")]
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    out = theirs.generate(
        torch.tensor([prompt]),
        max_new_tokens=20,
        do_sample=False,
        eos_token_id=model.tokenizer.eos_id,
    )
    assert _greedy(model, prompt, 20) == out[0, len(prompt) :].tolist()


def _greedy(model: Any, prompt: list[int], num_tokens: int) -> list[int]:
    @jax.jit
    def step(tokens: Any, start: Any, cache: Any) -> Any:
        positions = start + jnp.arange(tokens.shape[1])[None]
        llama = Llama(model.config)
        hidden, cache = llama.apply({"params": model.params}, tokens, positions, None, cache)
        return jnp.argmax(unembed(model.params, hidden[:, -1]), axis=-1), cache

    cache = empty_cache(model.config, slots=1, columns=64)
    tokens, start, found = jnp.array([prompt]), 0, []
    while len(found) < num_tokens and (not found or found[-1] not in model.tokenizer.eos_ids):
        chosen, cache = step(tokens, jnp.int32(start), cache)
        start += tokens.shape[1]
        tokens = chosen[:, None]
        found.append(int(chosen[0]))
    return found
