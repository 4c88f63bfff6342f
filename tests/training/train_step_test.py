"""One step: sharded equals single, microbatches equal the batch, packed equals unpacked."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh

from rft_jax.devices import partitioning
from rft_jax.devices.mesh_settings import MeshSettings
from rft_jax.models.config import LlamaConfig
from rft_jax.models.llama import Llama, init_params
from rft_jax.training.batches import Batches
from rft_jax.training.settings import TrainSettings
from rft_jax.training.token_arrays import TokenArrays
from rft_jax.training.train_step import (
    TrainState,
    gradients,
    init_train_state,
    not_finite,
    state_shardings,
    train_step,
)
from tests.tiny_model import random_params

CONFIG = LlamaConfig(
    vocab_size=48,
    hidden_size=16,
    intermediate_size=32,
    num_layers=2,
    num_heads=4,
    num_kv_heads=2,
)
SETTINGS = TrainSettings(batch_size=8, max_length=16)


def arrays() -> TokenArrays:
    rng = np.random.default_rng(3)
    lengths = rng.integers(4, 12, 24)
    tokens = rng.integers(1, 48, lengths.sum()).astype(np.int32)
    return TokenArrays(tokens, np.cumsum([0, *lengths]), (lengths // 3).astype(np.int32))


def batch(packed: bool = True, rows: int = 8) -> dict[str, np.ndarray]:
    return Batches(arrays(), rows, 16, seed=0, packed=packed).batch(0)


compiled_gradients = jax.jit(gradients, static_argnums=(2, 3, 4))


@partial(jax.jit, static_argnums=0)
def new_state(settings: TrainSettings) -> TrainState:
    return init_train_state(init_params(CONFIG, jax.random.key(0)), settings)


def one_step(
    state: TrainState, rows: dict[str, np.ndarray], mesh: Mesh, settings: TrainSettings = SETTINGS
) -> tuple[TrainState, dict[str, jax.Array]]:
    return train_step(
        state,
        partitioning.global_batch(rows, mesh),
        jnp.float32(1e-2),
        config=CONFIG,
        settings=settings,
        mesh=mesh,
    )


def three_steps(mesh_settings: MeshSettings, count: int, settings: TrainSettings) -> Any:
    mesh = partitioning.make_mesh(mesh_settings, jax.devices()[:count])
    with jax.set_mesh(mesh):
        state = new_state(settings)
        state = jax.device_put(state, state_shardings(state, mesh))
        losses = []
        for step in range(3):
            rows = Batches(arrays(), 8, 16, seed=0).batch(step)
            state, metrics = one_step(state, rows, mesh, settings)
            losses.append(float(metrics["loss"]))
    return losses, jax.device_get(state.params), state


MESHES = [
    pytest.param(8, 1, 1, marks=pytest.mark.slow),
    pytest.param(1, 8, 1, marks=pytest.mark.slow),
    pytest.param(1, 4, 2, marks=pytest.mark.slow),
    pytest.param(2, 2, 2, marks=pytest.mark.each_change),
]


@pytest.mark.parametrize(("data", "fsdp", "tensor"), MESHES)
def test_losses_and_parameters_do_not_depend_on_the_mesh(data: int, fsdp: int, tensor: int) -> None:
    losses, params, _ = three_steps(MeshSettings(1, 1, 1), 1, SETTINGS)
    sharded_losses, sharded_params, _ = three_steps(MeshSettings(data, fsdp, tensor), 8, SETTINGS)
    np.testing.assert_allclose(losses, sharded_losses, rtol=1e-5)
    for one, other in zip(jax.tree.leaves(params), jax.tree.leaves(sharded_params), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_parameters_and_moments_stay_split_over_the_mesh() -> None:
    _, _, state = three_steps(MeshSettings(1, 4, 2), 8, SETTINGS)
    kernel = state.params["layers"]["mlp"]["gate"]["kernel"]
    moment = state.opt_state[1].mu["layers"]["mlp"]["gate"]["kernel"]
    assert kernel.sharding.shard_shape(kernel.shape) == (2, 4, 16)
    assert moment.sharding.shard_shape(moment.shape) == (2, 4, 16)


@pytest.mark.parametrize(
    "microbatches",
    [pytest.param(2, marks=pytest.mark.each_change), pytest.param(4, marks=pytest.mark.slow)],
)
def test_gradients_of_microbatches_sum_to_the_batchs(microbatches: int) -> None:
    params = random_params(CONFIG)
    whole = compiled_gradients(params, batch(), CONFIG, 0, 1)
    split = compiled_gradients(params, batch(), CONFIG, 0, microbatches)
    assert whole[1] == split[1]
    for one, other in zip(jax.tree.leaves(whole), jax.tree.leaves(split), strict=True):
        np.testing.assert_allclose(one / whole[1], other / whole[1], atol=1e-6)


def test_packed_rows_give_the_loss_and_gradients_of_unpacked_ones() -> None:
    params = random_params(CONFIG)
    packed = compiled_gradients(params, batch(True, 24), CONFIG, 0, 1)
    single = compiled_gradients(params, batch(False, 24), CONFIG, 0, 1)
    assert (batch(True, 24)["segment_ids"].max(1) > 1).any()
    for one, other in zip(jax.tree.leaves(packed), jax.tree.leaves(single), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "factor", [0.01, *(pytest.param(f, marks=pytest.mark.slow) for f in (1.0, 100.0))]
)
def test_loss_and_gradient_are_means_whatever_the_weights_sum_to(factor: float) -> None:
    """Weights of train.question_weights = 'equal' may sum to less than 1 in a small batch."""
    mesh = partitioning.make_mesh(MeshSettings(1, 1, 1), jax.devices()[:1])
    results = []
    for scale in (1.0, factor):
        rows = batch()
        rows["loss_weights"] = rows["loss_weights"] * np.float32(scale / rows["loss_weights"].sum())
        with jax.set_mesh(mesh):
            state = new_state(SETTINGS)
            _, metrics = one_step(state, rows, mesh)
        results.append((float(metrics["loss"]), float(metrics["grad_norm"])))
    np.testing.assert_allclose(*results, rtol=1e-5)


def test_numbers_that_are_not_finite_are_named_by_their_paths() -> None:
    state = new_state(SETTINGS)
    assert not_finite(state) == []
    state.params["final_norm"]["scale"] = jnp.asarray([1.0, np.inf])
    state.opt_state[1].nu["embed"]["embedding"] = jnp.asarray(np.nan)
    assert set(not_finite(state)) == {
        "params/final_norm/scale",
        "opt_state/1/nu/embed/embedding",
    }


@pytest.mark.parametrize("remat", [pytest.param("full", marks=pytest.mark.slow), "save_attention"])
@pytest.mark.parametrize("scan_layers", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_remat_changes_no_gradient(remat: str, scan_layers: bool) -> None:
    from rft_jax.models.llama import unstack_layers

    plain = replace(CONFIG, scan_layers=scan_layers)
    params = random_params(CONFIG)
    if not scan_layers:
        params = unstack_layers(params, CONFIG.num_layers)
    one = compiled_gradients(params, batch(), plain, 0, 1)
    other = compiled_gradients(params, batch(), replace(plain, remat=remat), 0, 1)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_a_mesh_that_does_not_make_up_the_devices_names_both_numbers() -> None:
    with pytest.raises(ValueError, match="tensor 3 does not make up 8 devices"):
        partitioning.make_mesh(MeshSettings(1, 1, 3))


def test_each_remat_policy_stores_less_for_the_backward_pass() -> None:
    def kept(remat: str) -> int:
        config = replace(CONFIG, remat=remat, num_layers=6)
        tokens = jnp.zeros((4, 64), jnp.int32)

        def forward(params: Any) -> Any:
            return Llama(config).apply({"params": params}, tokens, tokens)[0]

        shapes = jax.eval_shape(lambda: init_params(config, jax.random.key(0)))
        backward = jax.eval_shape(lambda params: jax.vjp(forward, params)[1], shapes)
        return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(backward))

    everything, attention, inputs = map(kept, ("none", "save_attention", "full"))
    assert everything > 3 * attention
    assert attention > inputs
