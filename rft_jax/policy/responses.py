"""Responses as flat token arrays, and values of their tokens."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rft_jax.policy.scored import Scored
from rft_jax.training.token_arrays import TokenArrays

PerResponse = list[np.ndarray]
"""For every response a value of each token that is trained on."""


def token_arrays(scored: Sequence[Scored]) -> TokenArrays:
    """Prompts and the tokens that are trained on; the end token is the last of them, if sampled."""
    pieces = [
        [*one.rollout.prompt, *(one.rollout.sample.tokens or ())[: one.length]] for one in scored
    ]
    offsets = np.cumsum([0, *map(len, pieces)], dtype=np.int64)
    tokens = np.concatenate([np.asarray(piece, np.int32) for piece in pieces])
    prompts = np.array([len(one.rollout.prompt) for one in scored], np.int32)
    return TokenArrays(tokens, offsets, prompts)


def join_responses(arrays: TokenArrays, values: PerResponse) -> np.ndarray:
    """float32[total]: the values at the tokens of responses, 0 at those of prompts."""
    flat = np.zeros(len(arrays.tokens), np.float32)
    for end, of_one in zip(arrays.offsets[1:], values, strict=True):
        flat[end - len(of_one) : end] = of_one
    return flat


def split_responses(arrays: TokenArrays, flat: np.ndarray) -> PerResponse:
    """The inverse of `join_responses`."""
    begins = arrays.offsets[:-1] + arrays.prompt_lengths
    return [flat[begin:end] for begin, end in zip(begins, arrays.offsets[1:], strict=True)]
