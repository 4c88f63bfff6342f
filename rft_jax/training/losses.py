"""Cross-entropy over response tokens, a few positions' logits at a time."""

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
      chunk: positions whose logits exist at a time, which T is a multiple of; the backward pass
        makes them again. 0 for all at once.
    """
    if not chunk or chunk >= targets.shape[1]:
        return _summed(params, hidden, targets, loss_weights)

    def split(x: Array) -> Array:
        parts = x.reshape(x.shape[0], -1, chunk, *x.shape[2:])
        return jnp.moveaxis(parts, 1, 0)

    def add(total: Array, part: tuple[Array, Array, Array]) -> tuple[Array, None]:
        return total + _summed(params, *part), None

    parts = (split(hidden), split(targets), split(loss_weights))
    return jax.lax.scan(jax.checkpoint(add), jnp.float32(0), parts)[0]


def _summed(params: Params, hidden: Array, targets: Array, loss_weights: Array) -> Array:
    logits = unembed(params, hidden)
    chosen = jnp.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
    return jnp.sum((jax.nn.logsumexp(logits, axis=-1) - chosen) * loss_weights)
