"""Low-rank adapters: nothing at first, the same merged as unmerged, alone in the optimizer."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rft_jax.checkpoints.huggingface import import_params
from rft_jax.checkpoints.huggingface_config import read_config
from rft_jax.devices.mesh_settings import MeshSettings
from rft_jax.devices.partitioning import make_mesh, param_shardings
from rft_jax.errors import UserError
from rft_jax.models.config import LlamaConfig, Lora
from rft_jax.models.families import KERNELS
from rft_jax.models.llama import Llama, Params, init_adapters, unembed
from rft_jax.models.lora import adapters_of, merge_adapters, with_adapters
from rft_jax.training.settings import TrainSettings
from rft_jax.training.train_step import init_train_state, state_shardings, train_step
from tests.llama_twin import random_tensors, random_tokens, tiny_config, write_folder


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> tuple[LlamaConfig, Params]:
    content = tiny_config(4, 2)
    folder = write_folder(tmp_path_factory.mktemp("base"), content, random_tensors(content))
    config = read_config(folder)
    return config, import_params(folder, config)


@partial(jax.jit, static_argnums=0)
def _logits(config: LlamaConfig, params: Params, tokens: jax.Array) -> jax.Array:
    positions = jnp.broadcast_to(jnp.arange(tokens.shape[1]), tokens.shape)
    return unembed(params, Llama(config).apply({"params": params}, tokens, positions)[0])


_adapters = jax.jit(init_adapters, static_argnums=0)
_merged = jax.jit(merge_adapters, static_argnums=0)


@jax.jit
def _trained(adapters: Params) -> Params:
    """Adapters as they might be after training: B is not zero any more."""
    leaves, tree = jax.tree.flatten(adapters)
    keys = jax.random.split(jax.random.key(5), len(leaves))
    noisy = [x + 0.3 * jax.random.normal(k, x.shape) for k, x in zip(keys, leaves, strict=True)]
    return jax.tree.unflatten(tree, noisy)


def _tokens() -> jax.Array:
    return jnp.asarray(random_tokens(tiny_config(), 2, 16))


def test_fresh_adapters_change_nothing(base: tuple[LlamaConfig, Params]) -> None:
    config, params = base
    adapted = replace(config, lora=Lora(rank=3, alpha=6.0))
    joined = with_adapters(params, _adapters(adapted, jax.random.key(0)))
    assert np.array_equal(_logits(adapted, joined, _tokens()), _logits(config, params, _tokens()))


@pytest.mark.parametrize("targets", [KERNELS, ("v", "o", "up")])
def test_merged_equals_unmerged(base: tuple[LlamaConfig, Params], targets: tuple[str, ...]) -> None:
    config, params = base
    adapted = replace(config, lora=Lora(rank=3, alpha=6.0, targets=targets))
    joined = with_adapters(params, _trained(_adapters(adapted, jax.random.key(0))))
    merged = _merged(adapted, joined)
    assert jax.tree.structure(merged) == jax.tree.structure(params)
    unmerged = _logits(adapted, joined, _tokens())
    np.testing.assert_allclose(_logits(config, merged, _tokens()), unmerged, atol=1e-4, rtol=0)
    assert np.abs(np.asarray(unmerged - _logits(config, params, _tokens()))).max() > 0.1


def test_adapters_are_as_many_as_rank_times_the_widths(base: tuple[LlamaConfig, Params]) -> None:
    config = replace(base[0], lora=Lora(rank=3, alpha=6.0, targets=("q", "o", "up")))
    adapters = _adapters(config, jax.random.key(0))
    width, queries, wide = 48, 4 * 8, 40
    per_layer = 3 * ((width + queries) + (queries + width) + (width + wide))
    count = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(adapters))
    assert count == config.num_layers * per_layer
    assert set(adapters["layers"]["attention"]) == {"q", "o"}
    assert set(adapters["layers"]["mlp"]) == {"up"}


def test_adapters_come_out_of_the_tree_they_were_put_in(base: tuple[LlamaConfig, Params]) -> None:
    config, params = base
    adapters = _adapters(replace(config, lora=Lora(rank=2, alpha=2.0)), jax.random.key(1))
    joined = with_adapters(params, adapters)
    found = adapters_of(joined)
    assert jax.tree.structure(found) == jax.tree.structure(adapters)
    assert adapters_of(params) == {}
    assert len(jax.tree.leaves(joined)) == len(jax.tree.leaves(params)) + 14


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rank": 0, "alpha": 1.0}, "rank 0: at least 1"),
        ({"rank": 1, "alpha": 1.0, "targets": ("q", "x")}, "targets"),
        ({"rank": 1, "alpha": 1.0, "targets": ()}, "targets"),
    ],
)
def test_adapters_that_make_no_sense_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Lora(**settings)


@pytest.mark.each_change
def test_training_moves_the_adapters_and_nothing_else(
    base: tuple[LlamaConfig, Params],
) -> None:
    config, params = base
    settings = TrainSettings(lora_rank=3, batch_size=2, max_length=16, learning_rate=1e-2)
    config = replace(config, lora=settings.lora)
    tokens = _tokens()
    ones = jnp.ones(tokens.shape, jnp.int32)
    batch = {
        "tokens": tokens,
        "targets": jnp.roll(tokens, -1, axis=1),
        "positions": jnp.broadcast_to(jnp.arange(16), tokens.shape),
        "segment_ids": ones,
        "loss_weights": ones.astype(jnp.float32),
    }
    mesh = make_mesh(MeshSettings(1, 2, 1), jax.devices()[:2])
    before = jax.tree.map(np.asarray, params)
    with jax.set_mesh(mesh):
        state = init_train_state(_adapters(config, jax.random.key(0)), settings)
        state = jax.device_put(state, state_shardings(state, mesh))
        frozen = jax.device_put(params, param_shardings(params, mesh))
        moments = [leaf for leaf in jax.tree.leaves(state.opt_state) if leaf.ndim]
        assert len(moments) == 2 * len(jax.tree.leaves(state.params)) == 28
        losses = []
        for _ in range(8):
            state, metrics = train_step(
                state, batch, jnp.float32(1e-2), config, settings, mesh, frozen
            )
            losses.append(float(metrics["loss"]))
    assert losses[-1] < losses[0] - 0.3
    jax.tree.map(np.testing.assert_array_equal, frozen, before)
    joined = with_adapters(frozen, state.params)
    merged = _merged(config, joined)
    np.testing.assert_allclose(
        _logits(replace(config, lora=None), merged, tokens),
        _logits(config, joined, tokens),
        atol=1e-4,
        rtol=0,
    )
