"""Shapes and FLOPs in plain Python are those of the real model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from rft_jax.devices.partitioning import path_name
from rft_jax.models.config import LlamaConfig, Lora
from rft_jax.models.llama import Llama, init_params, unembed, unstack_layers
from rft_jax.models.shapes import (
    adapter_shapes,
    num_params,
    param_shapes,
    token_flops,
    train_flops_per_token,
)

SMALL = LlamaConfig(
    vocab_size=128,
    hidden_size=64,
    intermediate_size=160,
    num_layers=2,
    num_heads=4,
    num_kv_heads=2,
    head_dim=24,
)


@pytest.mark.parametrize(
    "config",
    [
        SMALL,
        replace(SMALL, tie_word_embeddings=True),
        replace(SMALL, lora=Lora(4, 8.0)),
        replace(SMALL, lora=Lora(2, 8.0, ("q", "o", "down"))),
    ],
)
def test_every_parameter_has_the_shape_that_the_model_makes(config: LlamaConfig) -> None:
    made = jax.eval_shape(lambda: init_params(config, jax.random.key(0)))
    found = {path_name(p): leaf.shape for p, leaf in jax.tree_util.tree_leaves_with_path(made)}
    assert param_shapes(config) | adapter_shapes(config) == found


WIDE = replace(SMALL, hidden_size=512, intermediate_size=1408, num_heads=8, head_dim=64)
ROWS, LENGTH = 2, 128


def counted(config: LlamaConfig, *, backward: bool) -> float:
    """XLA's count of a pass's FLOPs; its layers are not in a loop, which would count once."""
    unrolled = replace(config, scan_layers=False)
    tokens = jax.ShapeDtypeStruct((ROWS, LENGTH), jnp.int32)

    def loss(params: Any, tokens: Any) -> Any:
        hidden, _ = Llama(unrolled).apply({"params": params}, tokens, tokens)
        return jnp.sum(unembed(params, hidden))

    shapes = jax.eval_shape(
        lambda: unstack_layers(init_params(config, jax.random.key(0)), config.num_layers)
    )
    function = jax.grad(loss) if backward else loss
    return float(jax.jit(function).lower(shapes, tokens).cost_analysis()["flops"])


@pytest.mark.parametrize("heads", [8, 2])
@pytest.mark.parametrize("remat", ["none", "save_attention", "full"])
def test_flops_are_within_15_percent_of_an_unrolled_layers_count(heads: int, remat: str) -> None:
    one = replace(WIDE, num_kv_heads=heads, remat=remat, num_layers=1)
    flops = token_flops(one, LENGTH)
    for backward, closed in (
        (False, flops.blocks),
        (True, 3 * flops.blocks + flops.recomputed(remat)),
    ):
        layer = counted(replace(one, num_layers=2), backward=backward)
        layer -= counted(one, backward=backward)
        assert layer == pytest.approx(closed * ROWS * LENGTH, rel=0.15)


def test_each_remat_policy_computes_more_again_than_the_one_before() -> None:
    flops = token_flops(WIDE, LENGTH)
    again = [flops.recomputed(remat) for remat in ("none", "save_attention", "full")]
    assert again[0] == 0 < again[1] < again[2] < flops.blocks


def test_training_a_token_is_six_flops_a_parameter_plus_attention() -> None:
    config = LlamaConfig()  # LLaMA 7B
    matrix_params = num_params(config) - config.vocab_size * config.hidden_size
    attention = 12 * 32 * 4096 * 512
    assert train_flops_per_token(config, 512) == pytest.approx(
        6 * matrix_params + attention, rel=1e-4
    )


def test_frozen_kernels_cost_two_thirds() -> None:
    config = LlamaConfig()
    adapted = train_flops_per_token(replace(config, lora=Lora(8, 8.0)), 1)
    assert adapted / train_flops_per_token(config, 1) == pytest.approx(2 / 3, rel=1e-3)
