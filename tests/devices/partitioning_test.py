"""Shardings of parameters and batches on eight CPU devices."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from rft_jax.devices.mesh_settings import MeshSettings
from rft_jax.devices.partitioning import (
    check_rows,
    constrain_activations,
    global_batch,
    make_mesh,
    param_shardings,
)
from rft_jax.errors import UserError
from rft_jax.models.config import LlamaConfig
from rft_jax.models.llama import init_params


def test_every_parameter_has_a_rule_and_its_largest_axes_are_split() -> None:
    config = LlamaConfig(
        vocab_size=64,
        hidden_size=16,
        intermediate_size=32,
        num_layers=2,
        num_heads=4,
        num_kv_heads=2,
    )
    shapes = jax.eval_shape(lambda: init_params(config, jax.random.key(0)))
    mesh = make_mesh(MeshSettings(1, 4, 2))
    shardings = param_shardings(shapes, mesh)
    for leaf, sharding in zip(jax.tree.leaves(shapes), jax.tree.leaves(shardings), strict=True):
        part = np.prod(sharding.shard_shape(leaf.shape))
        assert part == leaf.size / (8 if leaf.ndim > 2 or leaf.shape == (64, 16) else 1) or (
            leaf.shape == (16, 64) and part == leaf.size / 8
        )


def test_an_axis_that_does_not_divide_evenly_is_not_split() -> None:
    mesh = make_mesh(MeshSettings(1, 1, 8))
    leaf = jax.ShapeDtypeStruct((2, 16, 3, 4), jnp.float32)
    tree = {"layers": {"attention": {"q": {"kernel": leaf}}}}
    (sharding,) = jax.tree.leaves(param_shardings(tree, mesh))
    assert sharding.spec == P(None, "fsdp", None, None)


def test_a_batch_that_does_not_divide_over_the_mesh_is_refused_with_the_next_size() -> None:
    mesh = make_mesh(MeshSettings(2, 2, 2))
    check_rows(8, mesh)
    with pytest.raises(UserError, match=r"batch_size 6 .* data × fsdp = 4: set it to 8"):
        check_rows(6, mesh)


def test_rows_of_a_batch_are_split_over_data_and_fsdp_in_order() -> None:
    mesh = make_mesh(MeshSettings(2, 2, 2))
    rows = global_batch({"tokens": np.arange(8)[:, None]}, mesh)["tokens"]
    assert rows.sharding.shard_shape(rows.shape) == (2, 1)
    firsts = {s.device.id: int(np.asarray(s.data)[0, 0]) for s in rows.addressable_shards}
    assert firsts == {0: 0, 1: 0, 2: 2, 3: 2, 4: 4, 5: 4, 6: 6, 7: 6}


def test_activations_are_split_by_row_inside_a_mesh_and_unchanged_elsewhere() -> None:
    x = jnp.ones((8, 4))
    assert constrain_activations(x) is x
    mesh = make_mesh(MeshSettings(2, 4, 1))
    with jax.set_mesh(mesh):
        split = jax.jit(constrain_activations)(x)
        odd = jax.jit(constrain_activations)(jnp.ones((3, 4)))
    assert split.sharding.shard_shape(split.shape) == (1, 4)
    assert odd.shape == (3, 4)
