"""Models for benchmarks/sampling.py: responses of GSM8K's lengths, and the same in transformers."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rft_jax.models.config import LlamaConfig
from rft_jax.models.llama import Params, init_params
from rft_jax.sampling.methods import problem_key
from rft_jax.sampling.requests import Request

SHAPES = {
    "tiny": LlamaConfig(1024, 64, 128, 2, 4, 2, max_position_embeddings=1024),
    "13m": LlamaConfig(4096, 384, 1024, 6, 6, 2, max_position_embeddings=1024),
    "135m": LlamaConfig(49152, 576, 1536, 30, 9, 3),
    "1.1b": LlamaConfig(32000, 2048, 5632, 22, 32, 4),
    "7b": LlamaConfig(32000, 4096, 11008, 32, 32, 32),
}
PROMPT, COLUMNS, EOS, START = 129, 384, 1, 3  # token START + t is the t-th of a response
# GSM8K's training answers in LLaMA tokens: lengths at these quantiles.
QUANTILES = (0, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1)
LENGTHS = (20, 38, 60, 80, 108, 145, 189, 282, 400)


def length_hazard() -> np.ndarray:
    """Probability of the end token at position t, given that none came before."""
    ends = np.interp(np.arange(COLUMNS + 1), LENGTHS, QUANTILES)
    alive = 1 - ends[:-1]
    return np.diff(ends) / np.maximum(alive, 1e-9)


def mean_filled() -> float:
    """Mean number of tokens in a slot, over the steps of a long run."""
    alive = np.cumprod(1 - length_hazard())
    return float(np.sum(np.arange(1, COLUMNS + 1) * alive) / np.sum(alive))


def make_params(config: LlamaConfig, dtype: str, seed: int = 0) -> Params:
    """Random weights whose responses have GSM8K's lengths; see the top of this file."""
    config = replace(config, param_dtype=dtype)
    params = jax.jit(init_params, static_argnums=0)(config, jax.random.key(seed))
    for block in ("attention/o", "mlp/down"):
        room, name = block.split("/")
        kernel = params["layers"][room][name]["kernel"]
        params["layers"][room][name]["kernel"] = jnp.zeros_like(kernel)
    # Embeddings of counter tokens are unit vectors; a row of `unembed` holds their logits.
    width = min(COLUMNS + 1, config.hidden_size - 1)
    table = jax.random.normal(jax.random.key(seed), params["embed"]["embedding"].shape) * 1e-3
    table = table.at[START : START + width, :].set(jnp.eye(width, config.hidden_size))
    hazard = np.clip(length_hazard(), 1e-6, 1 - 1e-6)
    logits = np.full((config.hidden_size, config.vocab_size), -30.0, np.float32)
    for t in range(width - 1):
        logits[t, EOS], logits[t, START + t + 1] = np.log(hazard[t]), np.log1p(-hazard[t])
    logits[width - 1 :, EOS] = 0
    kernel = jnp.asarray(logits / np.sqrt(config.hidden_size))
    params["embed"]["embedding"] = table.astype(dtype)
    params["unembed"]["kernel"] = kernel.astype(dtype)
    return params


def make_requests(config: LlamaConfig, problems: int, num_samples: int) -> list[Request]:
    """Prompts of random tokens that end with the first counter token."""
    random = np.random.default_rng(0)
    prompts = random.integers(START + COLUMNS, config.vocab_size, (problems, PROMPT))
    prompts[:, -1] = START
    return [
        Request(i, prompts[i].tolist(), problem_key(0, str(i)), num_samples)
        for i in range(problems)
    ]


def to_transformers(config: LlamaConfig, params: Params, dtype: str) -> Any:
    """The same model in transformers."""
    import torch
    import transformers

    shape = transformers.LlamaConfig(
        vocab_size=config.vocab_size,
        hidden_size=config.hidden_size,
        intermediate_size=config.intermediate_size,
        num_hidden_layers=config.num_layers,
        num_attention_heads=config.num_heads,
        num_key_value_heads=config.num_kv_heads,
        rms_norm_eps=config.rms_norm_eps,
        max_position_embeddings=config.max_position_embeddings,
        tie_word_embeddings=False,
        eos_token_id=EOS,
        pad_token_id=0,
        bos_token_id=None,
    )
    with tempfile.TemporaryDirectory() as folder:
        write_weights(Path(folder), config, params)
        weights = torch.load(Path(folder) / "weights.pt")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = transformers.LlamaForCausalLM(shape).to(getattr(torch, dtype)).to(device).eval()
    model.load_state_dict(weights)
    return model


def generate(model: Any, prompts: np.ndarray, k: int) -> int:
    """Useful tokens of one call: those up to each sequence's end token."""
    import torch

    ids = torch.as_tensor(prompts, device=model.device)
    with torch.inference_mode():
        out = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            do_sample=True,
            temperature=1.0,
            top_k=0,
            top_p=1.0,
            max_new_tokens=COLUMNS,
            num_return_sequences=k,
        )
    tokens = out[:, PROMPT:].cpu().numpy()
    ended = np.cumsum(tokens == EOS, axis=1)
    return int(np.sum(ended - (tokens == EOS) == 0))


def write_weights(folder: Path, config: LlamaConfig, params: Params) -> None:
    """The parameters under transformers' names, for `torch.load`."""
    import torch

    def tensor(array: jax.Array, *shape: int) -> Any:
        return torch.tensor(np.asarray(array, np.float32).reshape(shape).T.copy())

    width, layers = config.hidden_size, params["layers"]
    weights = {
        "model.embed_tokens.weight": tensor(params["embed"]["embedding"].T, width, -1),
        "model.norm.weight": torch.tensor(np.asarray(params["final_norm"]["scale"], np.float32)),
        "lm_head.weight": tensor(params["unembed"]["kernel"], width, -1),
    }
    for i in range(config.num_layers):
        name = f"model.layers.{i}"
        for ours_, theirs in (("attention_norm", "input"), ("mlp_norm", "post_attention")):
            scale = np.asarray(layers[ours_]["scale"][i], np.float32)
            weights[f"{name}.{theirs}_layernorm.weight"] = torch.tensor(scale)
        for part in ("q", "k", "v"):
            kernel = layers["attention"][part]["kernel"][i]
            weights[f"{name}.self_attn.{part}_proj.weight"] = tensor(kernel, width, -1)
        out = layers["attention"]["o"]["kernel"][i]
        weights[f"{name}.self_attn.o_proj.weight"] = tensor(out, -1, width)
        for part in ("gate", "up", "down"):
            kernel = layers["mlp"][part]["kernel"][i]
            weights[f"{name}.mlp.{part}_proj.weight"] = tensor(kernel, *kernel.shape)
    torch.save(weights, folder / "weights.pt")
