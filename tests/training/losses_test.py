"""The loss counts what it should, and chunks change nothing."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rft_jax.training.losses import summed_loss

KEYS = jax.random.split(jax.random.key(0), 4)
PARAMS = {
    "embed": {"embedding": jnp.zeros((19, 8))},
    "unembed": {"kernel": jax.random.normal(KEYS[0], (8, 19))},
}
HIDDEN = jax.random.normal(KEYS[1], (3, 12, 8))
TARGETS = jax.random.randint(KEYS[2], (3, 12), 0, 19)
WEIGHTS = jax.random.bernoulli(KEYS[3], 0.5, (3, 12)).astype(jnp.float32)


def test_the_loss_is_the_weighted_negative_log_probability() -> None:
    logits = np.asarray(HIDDEN, np.float64) @ np.asarray(PARAMS["unembed"]["kernel"], np.float64)
    logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    chosen = np.take_along_axis(logs, np.asarray(TARGETS)[..., None], -1)[..., 0]
    expected = -(chosen * np.asarray(WEIGHTS)).sum()
    assert float(summed_loss(PARAMS, HIDDEN, TARGETS, WEIGHTS)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("chunk", [1, 3, 6, 12])
def test_chunks_change_neither_loss_nor_gradient(chunk: int) -> None:
    def loss(params: object, hidden: jax.Array, size: int) -> jax.Array:
        return summed_loss(params, hidden, TARGETS, WEIGHTS, size)  # type: ignore[arg-type]

    plain = jax.value_and_grad(loss, argnums=(0, 1))(PARAMS, HIDDEN, 0)
    chunked = jax.value_and_grad(loss, argnums=(0, 1))(PARAMS, HIDDEN, chunk)
    for one, other in zip(jax.tree.leaves(plain), jax.tree.leaves(chunked), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def test_no_array_of_all_logits_exists_when_chunked() -> None:
    def loss(hidden: jax.Array) -> jax.Array:
        return summed_loss(PARAMS, hidden, TARGETS, WEIGHTS, 3)

    text = str(jax.make_jaxpr(jax.grad(loss))(HIDDEN))
    assert "f32[3,3,19]" in text
    assert "f32[3,12,19]" not in text and "f32[4,3,3,19]" not in text
