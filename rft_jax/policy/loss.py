"""The policy's loss: the clipped surrogate of rewards, or the divergence from a teacher."""

from __future__ import annotations

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rft_jax.policy.switches import Objective


@flax.struct.dataclass
class Measures:
    """What one batch adds to a step's metrics; all but the last are sums over tokens with weight.

    Attributes:
      loss: weight times loss.
      tokens: how many there are.
      clipped: tokens whose ratio counts no further.
      capped: tokens whose importance weight is the cap.
      divergence: nats from the teacher, where there is one.
      difference: largest absolute difference of the trainer's and the sampler's log-probability.
    """

    loss: Float[Array, ""]
    tokens: Float[Array, ""]
    clipped: Float[Array, ""]
    capped: Float[Array, ""]
    divergence: Float[Array, ""]
    difference: Float[Array, ""]

    def plus(self, other: Measures) -> Measures:
        """Those of two batches."""
        added = jax.tree.map(jnp.add, self, other)
        return added.replace(difference=jnp.maximum(self.difference, other.difference))


def importance_weights(
    trained: Float[Array, "B T"], sampled: Float[Array, "B T"], cap: float
) -> Float[Array, "B T"]:
    """min(π_trainer / π_sampler, cap) of every token (truncated importance sampling).

    Where the sampler's arithmetic is another one than the trainer's, its tokens are those of
    another distribution; with these weights their mean is one over the trainer's, up to the cap,
    which bounds the variance (Ionides 2008, Truncated Importance Sampling).

    Args:
      trained: log-probabilities that the trainer computes with the weights that were sampled from.
      sampled: those that the sampler computed.
    """
    return jnp.minimum(jnp.exp(trained - sampled), cap)


def policy_loss(
    logprobs: Float[Array, "B T"], rows: dict[str, Array], objective: Objective
) -> tuple[Float[Array, ""], Measures]:
    """The loss, summed over tokens with their weights, and what is measured on the way.

    A token's loss is -min(ρ A, clip(ρ, 1 - ε_low, 1 + ε_high) A), ρ the ratio of its probability
    to that before the step's first update. Without `old_logprobs` the policy is the one that
    sampled: ρ is exactly 1, and the gradient is that of REINFORCE. The divergence in the loss is
    k2, (log π_ref - log π)² / 2, whose expected gradient is that of the reverse KL divergence; k1
    in the loss would have an expected gradient of 0 (arXiv 2506.09477). With an importance cap
    both are weighted by `importance_weights`.

    Args:
      logprobs: of the targets, under the policy.
      rows: `loss_weights`, `advantages` and `sampled_logprobs` of every target; `old_logprobs`
        where the policy is updated more than once by the same samples; `reference_logprobs` where
        the divergence is in the loss.
      objective: its switches.
    """
    advantages = rows["advantages"]
    now = jax.lax.stop_gradient(logprobs)
    old, sampled = rows.get("old_logprobs", now), rows["sampled_logprobs"]
    ratio = jnp.exp(logprobs - old)
    bounded = jnp.clip(ratio, 1 - objective.epsilon_low, 1 + objective.epsilon_high)
    losses = -jnp.minimum(ratio * advantages, bounded * advantages)
    if objective.kl == "loss":
        losses += objective.kl_coefficient * (logprobs - rows["reference_logprobs"]) ** 2 / 2
    clipped = bounded * advantages < ratio * advantages
    capped: Array | float = 0.0
    if cap := objective.importance_cap:
        weights = importance_weights(old, sampled, cap)
        losses, capped = losses * weights, weights >= cap
    return _measured(losses, old, rows, clipped=clipped, capped=capped)


def distillation_loss(
    divergences: Float[Array, "B T"], logprobs: Float[Array, "B T"], rows: dict[str, Array]
) -> tuple[Float[Array, ""], Measures]:
    """The loss where a teacher says what is learnt: the divergence from it, exactly as it is.

    Its gradient lowers KL(π ‖ teacher) of the next token at the positions that were sampled; which
    positions those are is taken as given (GKD, arXiv 2306.13649, § 3).

    Args:
      divergences, logprobs: as `losses.token_divergences` returns them.
      rows: `loss_weights` and `sampled_logprobs` of every target.
    """
    return _measured(divergences, logprobs, rows, divergence=divergences)


def _measured(
    losses: Array,
    trained: Array,
    rows: dict[str, Array],
    clipped: Array | float = 0.0,
    capped: Array | float = 0.0,
    divergence: Array | float = 0.0,
) -> tuple[Array, Measures]:
    """The sum of weight times loss, and what is measured of the tokens with weight."""
    counted = rows["loss_weights"] > 0
    loss = jnp.sum(losses * rows["loss_weights"])

    def total(values: Array | float) -> Array:
        return jnp.sum(jnp.where(counted, values, 0), dtype=jnp.float32)

    measures = Measures(
        loss=loss,
        tokens=total(1.0),
        clipped=total(clipped),
        capped=total(capped),
        divergence=total(divergence),
        difference=jnp.max(jnp.where(counted, jnp.abs(trained - rows["sampled_logprobs"]), 0.0)),
    )
    return loss, jax.lax.stop_gradient(measures)
