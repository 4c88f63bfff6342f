"""Log-probabilities in NumPy, at any precision, without a scan, a cache or packing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rft_jax.models.config import LlamaConfig


def response_logprobs(
    params: dict[str, Any],
    config: LlamaConfig,
    prompt: Sequence[int],
    response: Sequence[int],
    dtype: Any = np.float64,
) -> np.ndarray:
    """Of every token of a response, all of it computed in one precision.

    Args:
      params: layers stacked; of a model with norms before the layers, plain rotary positions, and
        without biases and tied embeddings.
    """
    tokens = np.array([*prompt, *response])
    embedding = np.asarray(params["embed"]["embedding"], dtype)
    x, turn = embedding[tokens[:-1]], _turns(config, len(tokens) - 1, dtype)
    for number in range(config.num_layers):
        x = _block(x, _layer(params["layers"], number, dtype), turn, config)
    hidden = _norm(x, np.asarray(params["final_norm"]["scale"], dtype), config)
    logits = hidden[len(prompt) - 1 :] @ np.asarray(params["unembed"]["kernel"], dtype)
    logits -= logits.max(axis=-1, keepdims=True)
    chosen = logits[np.arange(len(response)), tokens[len(prompt) :]]
    return chosen - np.log(np.exp(logits).sum(axis=-1))


def _layer(layers: dict[str, Any], number: int, dtype: Any) -> dict[str, Any]:
    return {
        name: _layer(value, number, dtype)
        if isinstance(value, dict)
        else np.asarray(value[number], dtype)
        for name, value in layers.items()
    }


def _turns(config: LlamaConfig, length: int, dtype: Any) -> tuple[np.ndarray, np.ndarray]:
    half = config.head_size // 2
    frequencies = np.float64(config.rope_theta) ** (-np.arange(half) / half)
    angles = (np.arange(length)[:, None] * frequencies)[:, None]
    return np.cos(angles).astype(dtype), np.sin(angles).astype(dtype)


def _norm(x: np.ndarray, scale: np.ndarray, config: LlamaConfig) -> np.ndarray:
    mean_square = (x * x).mean(axis=-1, keepdims=True)
    return x / np.sqrt(mean_square + x.dtype.type(config.rms_norm_eps)) * scale


def _rotated(x: np.ndarray, turn: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    (first, second), (cos, sin) = np.split(x, 2, axis=-1), turn
    return np.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)


def _block(x: np.ndarray, weights: dict[str, Any], turn: Any, config: LlamaConfig) -> np.ndarray:
    attention, mlp = weights["attention"], weights["mlp"]
    h = _norm(x, weights["attention_norm"]["scale"], config)
    query, keys, values = (
        np.tensordot(h, attention[name]["kernel"], axes=1) for name in ("q", "k", "v")
    )
    repeats = config.num_heads // config.num_kv_heads
    keys, values = np.repeat(_rotated(keys, turn), repeats, 1), np.repeat(values, repeats, 1)
    scores = np.einsum("thk,shk->hts", _rotated(query, turn), keys)
    scores = scores * x.dtype.type(config.head_size**-0.5)
    scores[:, np.triu(np.ones(scores.shape[1:], bool), 1)] = -np.inf
    weight = np.exp(scores - scores.max(axis=-1, keepdims=True))
    mixed = np.einsum("hts,shk->thk", weight / weight.sum(axis=-1, keepdims=True), values)
    x = x + np.tensordot(mixed, attention["o"]["kernel"], axes=2)
    h = _norm(x, weights["mlp_norm"]["scale"], config)
    gate = h @ mlp["gate"]["kernel"]
    return x + (gate / (1 + np.exp(-gate)) * (h @ mlp["up"]["kernel"])) @ mlp["down"]["kernel"]
