"""The surrogate against REINFORCE, and its divergence terms against a bandit's closed forms."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rft_jax.policy.loss import distillation_loss, importance_weights, policy_loss
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


SAMPLER = 0.4  # what the sampler's arithmetic makes of P
REWARDS = np.array([0.2, 1.0])  # of the two tokens; d/dθ of their mean is p (1 - p) (r1 - r0)
REWARDED = P * (1 - P) * (REWARDS[1] - REWARDS[0])


def gradients_by_sampler(objective: Objective) -> np.ndarray:
    """-∂loss/∂θ of every draw of a sampler whose probabilities are not the policy's."""
    tokens = (np.random.default_rng(2).random(DRAWS) < SAMPLER).astype(int)
    sampled = np.log([1 - SAMPLER, SAMPLER])[tokens].astype(np.float32)
    reference = np.log([1 - Q, Q])[tokens].astype(np.float32)

    def gain(theta: jax.Array, token: jax.Array, drawn: jax.Array, ref: jax.Array) -> jax.Array:
        logprob = jnp.where(token == 1, jax.nn.log_sigmoid(theta), jax.nn.log_sigmoid(-theta))
        one = {
            "loss_weights": jnp.ones((1, 1)),
            "advantages": jnp.asarray(REWARDS, jnp.float32)[token][None, None],
            "sampled_logprobs": drawn[None, None],
            "reference_logprobs": ref[None, None],
        }
        return -policy_loss(logprob[None, None], one, objective)[0]

    each = jax.vmap(jax.grad(gain), (None, 0, 0, 0))
    return np.asarray(each(jnp.float32(THETA), tokens, sampled, reference))


@pytest.mark.parametrize(
    ("objective", "closed"),
    [
        (Objective(importance_cap=100.0), REWARDED),
        (Objective(importance_cap=100.0, kl="loss", kl_coefficient=1.0), REWARDED - CLOSED),
    ],
)
def test_importance_weights_make_another_samplers_gradient_the_policys(
    objective: Objective, closed: float
) -> None:
    found = gradients_by_sampler(objective)
    error = found.std() / np.sqrt(DRAWS)
    assert abs(found.mean() - closed) < 4 * error
    without = gradients_by_sampler(replace(objective, importance_cap=0.0))
    assert abs(without.mean() - closed) > 20 * error  # which is what the weights remove


def test_a_cap_below_the_ratio_bounds_the_weights_and_is_counted() -> None:
    trained = jnp.log(jnp.array([[0.5, 0.5, 0.2]]))
    sampled = jnp.log(jnp.array([[0.5, 0.1, 0.4]]))
    np.testing.assert_allclose(importance_weights(trained, sampled, 2.0), [[1, 2, 0.5]], rtol=1e-6)
    exact = importance_weights(LOGITS, LOGITS, 2.0)
    assert (np.asarray(exact) == 1).all()
    assert np.isfinite(importance_weights(jnp.zeros(1), jnp.full(1, -200.0), 2.0)).all()
    batch = {
        "loss_weights": jnp.ones((1, 3)),
        "advantages": jnp.array([[1.0, 10.0, 100.0]]),
        "sampled_logprobs": sampled,
    }
    loss, measures = policy_loss(trained, batch, Objective(importance_cap=2.0))
    assert float(loss) == pytest.approx(-(1 + 20 + 50), rel=1e-6)
    assert float(measures.capped) == 1


def test_importance_weights_change_nothing_where_sampler_and_trainer_agree() -> None:
    batch = rows()
    assert (gradient(batch, Objective(importance_cap=1.0)) == gradient(batch)).all()


def test_later_updates_weigh_and_compare_by_the_policy_that_was_sampled_from() -> None:
    old = np.asarray(logprobs_of(LOGITS))
    batch = rows(old_logprobs=old, sampled_logprobs=old - np.log(2))
    moved = jnp.asarray(old + 0.1)
    _, measures = policy_loss(moved, batch, PLAIN)
    assert float(measures.difference) == pytest.approx(np.log(2), rel=1e-5)
    wide = Objective(epsilon_low=1.0, epsilon_high=9.0)
    plain, _ = policy_loss(moved, batch, wide)
    weighted, _ = policy_loss(moved, batch, replace(wide, importance_cap=9.0))
    assert float(weighted) == pytest.approx(2 * float(plain), rel=1e-5)


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
