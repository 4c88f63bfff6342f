"""Cross-entropy, log-probabilities and divergences of tokens, a few positions' logits at a time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from rft_jax.models.llama import Params, unembed

_Values = TypeVar("_Values")


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
    return _by_chunks(partial(_logprobs, params), (hidden, targets), chunk)


def token_divergences(
    params: Params,
    hidden: Float[Array, "B T D"],
    teacher: Params,
    teacher_hidden: Float[Array, "B T E"],
    targets: Int[Array, "B T"],
    chunk: int = 0,
) -> tuple[Float[Array, "B T"], Float[Array, "B T"]]:
    """KL(model ‖ teacher) of the next token at every position, and the targets' log-probabilities.

    The divergence is the sum over the whole vocabulary, in nats.

    Args:
      params, hidden, targets, chunk: as `summed_loss` takes them.
      teacher: its parameters, for the logits.
      teacher_hidden: its output before the logits; its width may be another one.
    """

    def one(hidden: Array, teacher_hidden: Array, targets: Array) -> tuple[Array, Array]:
        ours = jax.nn.log_softmax(unembed(params, hidden))
        theirs = jax.nn.log_softmax(unembed(teacher, teacher_hidden))
        chosen = jnp.take_along_axis(ours, targets[..., None], axis=-1)[..., 0]
        return jnp.sum(jnp.exp(ours) * (ours - theirs), axis=-1), chosen

    return _by_chunks(one, (hidden, teacher_hidden, targets), chunk)


def _by_chunks(function: Callable[..., _Values], arrays: tuple[Array, ...], chunk: int) -> _Values:
    """The [B, T] values of a function of [B, T, …] arrays, a few positions at a time."""
    shape = arrays[0].shape[:2]
    if not chunk or chunk >= shape[1]:
        return function(*arrays)

    def one(_: None, chunk: tuple[Array, ...]) -> tuple[None, _Values]:
        return None, function(*chunk)

    chunks = tuple(_split(x, chunk) for x in arrays)
    values = jax.lax.scan(jax.checkpoint(one), None, chunks)[1]
    return jax.tree.map(lambda x: jnp.moveaxis(x, 0, 1).reshape(shape), values)


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
