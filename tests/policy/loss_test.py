"""The surrogate against REINFORCE, and its divergence terms against a bandit's closed forms."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rft_jax.policy.loss import distillation_loss, policy_loss
from rft_jax.policy.switches import Objective
from rft_jax.training.losses import token_divergences

RANDOM = np.random.default_rng(0)
LOGITS = jnp.asarray(RANDOM.normal(size=(3, 8, 11)), jnp.float32)
TARGETS = jnp.asarray(RANDOM.integers(0, 11, (3, 8)))
PLAIN = Objective()


def logprobs_of(logits: jax.Array) -> jax.Array:
    return jnp.take_along_axis(jax.nn.log_softmax(logits), TARGETS[..., None], -1)[..., 0]


def rows(**others: Any) -> dict[str, jax.Array]:
    arrays = {
        "loss_weights": RANDOM.random((3, 8)) * (RANDOM.random((3, 8)) < 0.7),
        "advantages": RANDOM.normal(size=(3, 8)),
        "sampled_logprobs": np.asarray(logprobs_of(LOGITS)),
    }
    return {name: jnp.asarray(value, jnp.float32) for name, value in (arrays | others).items()}


def gradient(batch: dict[str, jax.Array], objective: Objective = PLAIN) -> np.ndarray:
    def loss(logits: jax.Array) -> jax.Array:
        return policy_loss(logprobs_of(logits), batch, objective)[0]

    return np.asarray(jax.grad(loss)(LOGITS))


def test_the_on_policy_gradient_is_that_of_reinforce() -> None:
    batch = rows()

    def reinforce(logits: jax.Array) -> jax.Array:
        return -jnp.sum(batch["loss_weights"] * batch["advantages"] * logprobs_of(logits))

    np.testing.assert_allclose(gradient(batch), jax.grad(reinforce)(LOGITS), atol=1e-6)


def test_the_ratio_is_exactly_one_on_policy_so_that_nothing_is_clipped() -> None:
    batch = rows()
    exact = replace(PLAIN, epsilon_low=0.0, epsilon_high=0.0)
    loss, measures = policy_loss(logprobs_of(LOGITS), batch, exact)
    assert float(loss) == float(-jnp.sum(batch["advantages"] * batch["loss_weights"]))
    assert float(measures.clipped) == 0
    assert float(measures.difference) == 0
    assert float(measures.tokens) == int((batch["loss_weights"] > 0).sum())


@pytest.mark.parametrize(
    ("ratio", "advantage", "counts"),
    [(1.5, 1.0, 1.28), (1.5, -1.0, 1.5), (0.5, 1.0, 0.5), (0.5, -1.0, 0.8), (1.1, 1.0, 1.1)],
)
def test_a_ratio_is_clipped_on_the_side_that_the_advantage_points_to(
    ratio: float, advantage: float, counts: float
) -> None:
    objective = replace(PLAIN, epsilon_high=0.28)
    batch = {
        "loss_weights": jnp.ones((1, 1)),
        "advantages": jnp.full((1, 1), advantage),
        "sampled_logprobs": jnp.full((1, 1), -1.0),
        "old_logprobs": jnp.full((1, 1), -1.0),
    }
    loss, measures = policy_loss(jnp.full((1, 1), np.log(ratio) - 1), batch, objective)
    assert float(loss) == pytest.approx(-counts * advantage, rel=1e-6)
    assert float(measures.clipped) == (counts != ratio)


def test_a_target_without_weight_has_no_gradient_whatever_its_advantage() -> None:
    weights = np.ones((3, 8))
    weights[:, 5:] = 0
    others = {"reference_logprobs": np.full((3, 8), -9.0)}
    objective = replace(PLAIN, kl="loss", kl_coefficient=0.5)
    result = gradient(rows(loss_weights=weights, **others), objective)
    assert np.abs(result[:, :5]).min() > 0
    assert not result[:, 5:].any()


def test_metrics_carry_no_gradient() -> None:
    def tokens(logits: jax.Array) -> jax.Array:
        measures = policy_loss(logprobs_of(logits), rows(), PLAIN)[1]
        return measures.loss + measures.difference

    assert not np.asarray(jax.grad(tokens)(LOGITS)).any()


# A bandit of two tokens: token 1 has probability p under the policy and q under the reference.
P, Q, DRAWS = 0.3, 0.6, 100_000
THETA = float(np.log(P / (1 - P)))
# d/dθ KL(π‖ref) = p (1 - p) (log p/(1-p) - log q/(1-q))
CLOSED = P * (1 - P) * (THETA - np.log(Q / (1 - Q)))


def per_draw_gradients(objective: Objective, reward_kl: bool) -> np.ndarray:
    """∂loss/∂θ of every draw on its own."""
    tokens = (np.random.default_rng(1).random(DRAWS) < P).astype(int)
    reference = np.log([1 - Q, Q])[tokens]
    sampled = np.log([1 - P, P])[tokens]
    advantages = -(sampled - reference) if reward_kl else np.zeros(DRAWS)

    def loss(theta: jax.Array, token: jax.Array, advantage: jax.Array, ref: jax.Array) -> Any:
        logprob = jnp.where(token == 1, jax.nn.log_sigmoid(theta), jax.nn.log_sigmoid(-theta))
        one = {
            "loss_weights": jnp.ones((1, 1)),
            "advantages": advantage[None, None],
            "sampled_logprobs": logprob[None, None],
            "reference_logprobs": ref[None, None],
        }
        return policy_loss(logprob[None, None], one, objective)[0]

    each = jax.vmap(jax.grad(loss), (None, 0, 0, 0))
    return np.asarray(
        each(jnp.float32(THETA), tokens, *(x.astype(np.float32) for x in (advantages, reference)))
    )


@pytest.mark.parametrize("term", ["loss", "reward"])
def test_the_divergences_gradient_is_the_closed_form_on_a_bandit(term: str) -> None:
    objective = replace(PLAIN, kl=term, kl_coefficient=1.0)
    found = per_draw_gradients(objective, term == "reward")
    error = found.std() / np.sqrt(DRAWS)
    assert abs(found.mean() - CLOSED) < 4 * error
    assert abs(CLOSED) > 20 * error  # so that another estimator would be noticed


def test_k1_in_the_loss_would_have_a_gradient_of_zero() -> None:
    tokens = (np.random.default_rng(1).random(DRAWS) < P).astype(int)
    scores = tokens - P  # ∂ log π / ∂θ, which is all that log π - log π_ref depends on
    assert abs(scores.mean()) < 4 * scores.std() / np.sqrt(DRAWS)
    assert abs(CLOSED) > 20 * scores.std() / np.sqrt(DRAWS)


def test_a_teachers_loss_has_the_closed_form_and_its_gradient_on_a_bandit() -> None:
    """Without a draw: the sum over both tokens, not an estimate."""
    hidden = jnp.ones((1, 1, 1))  # so that the logits are the kernel's
    teacher = {"unembed": {"kernel": jnp.log(jnp.array([[1 - Q, Q]]))}}
    batch = {"loss_weights": jnp.ones((1, 1)), "sampled_logprobs": jnp.full((1, 1), np.log(P))}
    token = jnp.ones((1, 1), int)

    def loss(theta: jax.Array) -> tuple[jax.Array, Any]:
        policy = {"unembed": {"kernel": jnp.stack([0.0, theta])[None]}}
        found = token_divergences(policy, hidden, teacher, hidden, token)
        return distillation_loss(*found, batch)

    (value, measures), grad = jax.value_and_grad(loss, has_aux=True)(jnp.float32(THETA))
    expected = P * np.log(P / Q) + (1 - P) * np.log((1 - P) / (1 - Q))
    assert float(value) == pytest.approx(expected, abs=1e-6)
    assert float(grad) == pytest.approx(CLOSED, abs=1e-6)
    assert float(measures.divergence) == float(value)
    assert float(measures.difference) == pytest.approx(0, abs=1e-6)


def test_a_target_without_weight_learns_nothing_from_a_teacher() -> None:
    batch = rows(loss_weights=np.eye(3, 8))

    def loss(divergences: jax.Array) -> jax.Array:
        return distillation_loss(divergences, logprobs_of(LOGITS), batch)[0]

    assert (np.asarray(jax.grad(loss)(jnp.ones((3, 8)))) == np.eye(3, 8)).all()
    measures = distillation_loss(jnp.full((3, 8), 2.0), logprobs_of(LOGITS), batch)[1]
    assert (float(measures.tokens), float(measures.divergence)) == (3, 6)
