"""Cross-entropy and log-probabilities of tokens, with the logits of a few positions at a time."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from rft_jax.models.llama import Params, unembed


def summed_loss(
    params: Params,
    hidden: Float[Array, "B T D"],
    targets: Int[Array, "B T"],
    loss_weights: Float[Array, "B T"],
    chunk: int = 0,
) -> Float[Array, ""]:
    """Sum over tokens of weight times negative log-probability, in float32.

    Args:
      params: the model's parameters, for the logits.
      hidden: the model's output before the logits.
      targets: the token that follows each position.
      loss_weights: what each target counts; 0 for none.
      chunk: positions whose logits exist at the same time, a divisor of T; the backward pass
        computes them again. 0 for all at once.
    """
    if not chunk or chunk >= targets.shape[1]:
        return _summed(params, hidden, targets, loss_weights)

    def add(total: Array, chunk: tuple[Array, Array, Array]) -> tuple[Array, None]:
        return total + _summed(params, *chunk), None

    chunks = tuple(_split(x, chunk) for x in (hidden, targets, loss_weights))
    return jax.lax.scan(jax.checkpoint(add), jnp.float32(0), chunks)[0]


def token_logprobs(
    params: Params, hidden: Float[Array, "B T D"], targets: Int[Array, "B T"], chunk: int = 0
) -> Float[Array, "B T"]:
    """Log-probability of every target, in float32.

    Args:
      params, hidden, targets, chunk: as `summed_loss` takes them.
    """
    if not chunk or chunk >= targets.shape[1]:
        return _logprobs(params, hidden, targets)

    def one(_: None, chunk: tuple[Array, Array]) -> tuple[None, Array]:
        return None, _logprobs(params, *chunk)

    chunks = (_split(hidden, chunk), _split(targets, chunk))
    logprobs = jax.lax.scan(jax.checkpoint(one), None, chunks)[1]
    return jnp.moveaxis(logprobs, 0, 1).reshape(targets.shape)


def _split(x: Array, chunk: int) -> Array:
    """Chunks of positions along a new first axis."""
    return jnp.moveaxis(x.reshape(x.shape[0], -1, chunk, *x.shape[2:]), 1, 0)


def _logprobs(params: Params, hidden: Array, targets: Array) -> Array:
    logits = unembed(params, hidden)
    chosen = jnp.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
    return chosen - jax.nn.logsumexp(logits, axis=-1)


def _summed(params: Params, hidden: Array, targets: Array, loss_weights: Array) -> Array:
    logits = unembed(params, hidden)
    chosen = jnp.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
    return jnp.sum((jax.nn.logsumexp(logits, axis=-1) - chosen) * loss_weights)
