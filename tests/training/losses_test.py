"""The loss counts what it should, and chunks change nothing."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from rft_jax.training.losses import summed_loss

RANDOM = np.random.default_rng(0)
PARAMS = {
    "embed": {"embedding": np.zeros((19, 8), np.float32)},
    "unembed": {"kernel": RANDOM.normal(size=(8, 19)).astype(np.float32)},
}
HIDDEN = RANDOM.normal(size=(3, 12, 8)).astype(np.float32)
TARGETS = RANDOM.integers(0, 19, (3, 12))
WEIGHTS = RANDOM.integers(0, 2, (3, 12)).astype(np.float32)


def test_the_loss_is_the_weighted_negative_log_probability() -> None:
    logits = HIDDEN.astype(np.float64) @ PARAMS["unembed"]["kernel"].astype(np.float64)
    logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    chosen = np.take_along_axis(logs, TARGETS[..., None], -1)[..., 0]
    expected = -(chosen * WEIGHTS).sum()
    assert float(summed_loss(PARAMS, HIDDEN, TARGETS, WEIGHTS)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("chunk", [1, 3, 6, 12])
def test_chunks_change_neither_loss_nor_gradient(chunk: int) -> None:
    def loss(params: object, hidden: jax.Array, size: int) -> jax.Array:
        return summed_loss(params, hidden, TARGETS, WEIGHTS, size)  # type: ignore[arg-type]

    gradients = jax.jit(jax.value_and_grad(loss, argnums=(0, 1)), static_argnums=2)
    plain, chunked = gradients(PARAMS, HIDDEN, 0), gradients(PARAMS, HIDDEN, chunk)
    for one, other in zip(jax.tree.leaves(plain), jax.tree.leaves(chunked), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def test_no_array_of_all_logits_exists_when_chunked() -> None:
    def loss(hidden: jax.Array) -> jax.Array:
        return summed_loss(PARAMS, hidden, TARGETS, WEIGHTS, 3)

    text = str(jax.make_jaxpr(jax.grad(loss))(HIDDEN))
    assert "f32[3,3,19]" in text
    assert "f32[3,12,19]" not in text and "f32[4,3,3,19]" not in text
