"""The product with a kernel, with a backward pass for which XLA copies no large arrays."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
from jax import lax
from jaxtyping import Array, Float


def contract(
    x: Float[Array, "*batch_and_inputs"],
    kernel: Float[Array, "*inputs_and_outputs"],
    dimension_numbers: Any,
    precision: Any = None,
) -> Float[Array, "*batch_and_outputs"]:
    """`lax.dot_general` for the last axes of `x` and the first axes of `kernel`.

    The kernel's gradient is computed as input times output gradient. JAX's own is the product of
    the two swapped, then transposed, for which XLA on a CPU copies the output's gradient (the
    widest array of a feed-forward layer) into a transposed one: a third of a train step.

    Args:
      dimension_numbers: as `lax.dot_general` takes them; only how many axes are contracted counts.
      precision: as `lax.dot_general` takes it.
    """
    ((axes, _), _) = dimension_numbers
    return _contract(x, kernel, len(axes), precision)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _contract(x: Array, kernel: Array, num_inputs: int, precision: Any) -> Array:
    last = tuple(range(x.ndim - num_inputs, x.ndim))
    first = tuple(range(num_inputs))
    return lax.dot_general(x, kernel, ((last, first), ((), ())), precision)


def _forward(
    x: Array, kernel: Array, num_inputs: int, precision: Any
) -> tuple[Array, tuple[Array, Array]]:
    return _contract(x, kernel, num_inputs, precision), (x, kernel)


def _backward(
    num_inputs: int, precision: Any, kept: tuple[Array, Array], grad: Array
) -> tuple[Array, Array]:
    x, kernel = kept
    rows = tuple(range(x.ndim - num_inputs))
    outputs = tuple(range(len(rows), grad.ndim))
    kernel_outputs = tuple(range(num_inputs, kernel.ndim))
    to_x = lax.dot_general(grad, kernel, ((outputs, kernel_outputs), ((), ())), precision)
    to_kernel = lax.dot_general(x, grad, ((rows, rows), ((), ())), precision)
    return to_x, to_kernel


_contract.defvjp(_forward, _backward)
