"""A parameter's rule is found by its path; axes that do not divide are not split."""

from __future__ import annotations

import pytest

from rft_jax.devices.sharding_rules import fitting_axes, param_axes
from rft_jax.errors import UserError


@pytest.mark.parametrize(
    ("path", "ndim", "axes"),
    [
        ("embed/embedding", 2, ("tensor", "fsdp")),
        ("unembed/kernel", 2, ("fsdp", "tensor")),
        ("layers_3/attention/q/kernel", 3, ("fsdp", "tensor", None)),
        ("layers/attention/o/kernel", 4, (None, "tensor", None, "fsdp")),
        ("layers/mlp/down/kernel", 3, (None, "tensor", "fsdp")),
        ("layers/mlp/down/lora_b", 3, (None, None, None)),
        ("final_norm/scale", 1, (None,)),
    ],
)
def test_the_rule_of_a_parameter_is_found_by_its_path(
    path: str, ndim: int, axes: tuple[str | None, ...]
) -> None:
    assert param_axes(path, ndim) == axes


def test_a_parameter_without_a_rule_is_refused() -> None:
    with pytest.raises(UserError, match="'mlp/router/kernel' matches no sharding rule; add one to"):
        param_axes("mlp/router/kernel", 2)


def test_axes_that_the_mesh_does_not_divide_are_not_split() -> None:
    mesh = {"data": 1, "fsdp": 4, "tensor": 8}
    assert fitting_axes("attention/k/kernel", (16, 2, 8), mesh) == ("fsdp", None, None)
    assert fitting_axes("attention/k/kernel", (18, 8, 8), mesh) == (None, "tensor", None)
    assert fitting_axes("embed/embedding", (64, 16), mesh) == ("tensor", "fsdp")
