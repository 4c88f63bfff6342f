"""The product with a kernel is dot_general's, and so are its gradients."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from rft_jax.models.contraction import contract


@pytest.mark.parametrize(
    ("x", "kernel", "inputs"),
    [((5, 3, 8), (8, 6), 1), ((5, 3, 8), (8, 2, 4), 1), ((5, 3, 2, 4), (2, 4, 6), 2)],
)
def test_values_and_gradients_are_those_of_dot_general(
    x: tuple[int, ...], kernel: tuple[int, ...], inputs: int
) -> None:
    keys = jax.random.split(jax.random.key(0), 2)
    arrays = jax.random.normal(keys[0], x), jax.random.normal(keys[1], kernel)
    last = tuple(range(len(x) - inputs, len(x)))
    numbers = ((last, tuple(range(inputs))), ((), ()))

    def loss(multiply: object, *arrays: jax.Array) -> jax.Array:
        return jnp.sum(jnp.sin(multiply(*arrays, numbers)))  # type: ignore[operator]

    ours = jax.value_and_grad(loss, argnums=(1, 2))(contract, *arrays)
    theirs = jax.value_and_grad(loss, argnums=(1, 2))(lax.dot_general, *arrays)
    for one, other in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def test_the_kernels_gradient_is_made_in_the_kernels_own_layout() -> None:
    def program(multiply: object) -> str:
        def loss(kernel: jax.Array, x: jax.Array) -> jax.Array:
            return jnp.sum(multiply(x, kernel, (((1,), (0,)), ((), ()))))  # type: ignore[operator]

        return str(jax.make_jaxpr(jax.grad(loss))(jnp.ones((48, 160)), jnp.ones((96, 48))))

    assert "transpose[" in program(lax.dot_general)
    assert "transpose[" not in program(contract)
