"""Learning-rate schedules, and AdamW's step against its formula."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rft_jax.devices.partitioning import path_name
from rft_jax.models.config import LlamaConfig, Lora
from rft_jax.models.llama import init_params
from rft_jax.training.optimizers import learning_rate, make_optimizer
from rft_jax.training.settings import TrainSettings


def rates(**changes: object) -> list[float]:
    settings = TrainSettings(learning_rate=1.0, **changes)  # type: ignore[arg-type]
    return [learning_rate(settings, step, 100) for step in range(100)]


def test_warm_up_rises_linearly_to_the_peak() -> None:
    assert rates(warmup_ratio=0.1)[:11] == pytest.approx([*np.arange(1, 11) / 10, 1.0])


def test_cosine_falls_from_the_peak_towards_the_final_ratio() -> None:
    found = rates(warmup_ratio=0.0, final_learning_rate_ratio=0.1)
    assert found[0] == 1.0 and found[50] == pytest.approx(0.55)
    assert found == sorted(found, reverse=True) and found[-1] == pytest.approx(0.1, abs=1e-3)


@pytest.mark.parametrize("schedule", ["cosine", "linear"])
def test_the_step_after_the_last_would_have_the_final_rate(schedule: str) -> None:
    settings = TrainSettings(
        learning_rate=1.0, schedule=schedule, final_learning_rate_ratio=0.1, warmup_ratio=0.0
    )
    assert learning_rate(settings, 5, 5) == pytest.approx(0.1)
    assert learning_rate(settings, 4, 5) > 0.15


def test_linear_is_halfway_at_half_time_and_constant_never_falls() -> None:
    assert rates(schedule="linear", warmup_ratio=0.0)[50] == pytest.approx(0.5)
    assert set(rates(schedule="constant", warmup_ratio=0.0)) == {1.0}


def test_a_step_equals_optax_adamw_at_the_same_rate() -> None:
    settings = TrainSettings(weight_decay=0.1, max_grad_norm=0.0, beta2=0.99)
    params = {"kernel": jnp.asarray([1.0, -2.0, 3.0])}
    ours, theirs = params, params
    optimizer = make_optimizer(settings)
    reference = optax.adamw(0.01, b2=0.99, weight_decay=0.1)
    state, reference_state = optimizer.init(params), reference.init(params)
    for scale in (1.0, -0.5, 3.0):
        grads = {"kernel": scale * jnp.asarray([0.3, 0.1, -0.7])}
        updates, state = optimizer.update(grads, state, ours)
        ours = {"kernel": ours["kernel"] - 0.01 * updates["kernel"]}
        step, reference_state = reference.update(grads, reference_state, theirs)
        theirs = optax.apply_updates(theirs, step)
    np.testing.assert_allclose(ours["kernel"], theirs["kernel"], rtol=1e-6)


def test_norms_and_the_embedding_do_not_decay_and_all_kernels_do() -> None:
    config = LlamaConfig(
        vocab_size=8,
        hidden_size=8,
        intermediate_size=8,
        num_layers=1,
        num_heads=2,
        num_kv_heads=2,
        lora=Lora(rank=2, alpha=1.0),
    )
    shapes = jax.eval_shape(partial(init_params, config), jax.random.key(0))
    params = jax.tree.map(lambda leaf: jnp.ones(leaf.shape, leaf.dtype), shapes)
    optimizer = make_optimizer(TrainSettings(weight_decay=0.5))
    grads = jax.tree.map(jnp.zeros_like, params)
    update = jax.jit(lambda: optimizer.update(grads, optimizer.init(params), params))
    updates, _ = update()
    leaves = jax.tree_util.tree_leaves_with_path(updates)
    decayed = {path_name(path): set(np.unique(leaf)) for path, leaf in leaves}
    for path, values in decayed.items():
        assert values == ({0.0} if "norm" in path or "embedding" in path else {0.5}), path
    assert {path.rpartition("/")[2] for path in decayed} == {
        "scale",
        "embedding",
        "kernel",
        "lora_a",
        "lora_b",
    }


def test_warm_up_steps_replace_the_ratio() -> None:
    found = rates(warmup_ratio=0.5, warmup_steps=4)
    assert found[:5] == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0])
