"""Formulas of a train step: state to the byte, FLOPs by the published rules, rooflines by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from rft_jax.devices import partitioning
from rft_jax.devices.chips import CHIPS
from rft_jax.devices.mesh_settings import MeshSettings, mesh_sizes
from rft_jax.models.config import LlamaConfig, Lora
from rft_jax.models.llama import Llama, init_adapters, init_params
from rft_jax.models.shapes import num_params, token_flops
from rft_jax.planning.closed_form import (
    StepCost,
    activation_bytes,
    sampling_flops,
    temporary_bytes,
    train_cost,
)
from rft_jax.training.memory import resident_bytes, state_bytes
from rft_jax.training.settings import TrainSettings
from rft_jax.training.train_step import init_train_state, state_shardings

CONFIG = LlamaConfig(
    vocab_size=100,
    hidden_size=32,
    intermediate_size=72,
    num_layers=3,
    num_heads=4,
    num_kv_heads=2,
)
SEVEN = LlamaConfig()
SETTINGS = TrainSettings(batch_size=16, max_length=64)
ONE = {"data": 1, "fsdp": 1, "tensor": 1}


@pytest.mark.parametrize("sizes", [(8, 1, 1), (1, 8, 1), (1, 4, 2), (2, 2, 2), (1, 1, 8)])
@pytest.mark.parametrize("moments", ["float32", "bfloat16"])
def test_the_state_of_a_chip_is_exact(sizes: tuple[int, int, int], moments: str) -> None:
    settings = replace(SETTINGS, moment_dtype=moments)
    assert state_bytes(CONFIG, settings, as_mesh(sizes)) == placed_bytes(CONFIG, settings, sizes)


def test_state_with_adapters_is_exact_too() -> None:
    config = replace(CONFIG, lora=Lora(4, 8.0, ("q", "down")))
    frozen = replace(config, lora=None)
    expected = placed_bytes(config, SETTINGS, (1, 4, 2))
    base = partial(init_params, frozen, jax.random.key(0))
    mesh = partitioning.make_mesh(MeshSettings(1, 4, 2))
    shapes = jax.eval_shape(base)
    expected += on_one_chip(shapes, partitioning.param_shardings(shapes, mesh))
    assert state_bytes(config, SETTINGS, as_mesh((1, 4, 2))) == expected
    merged = 4 * CONFIG.num_layers * (32 * 32 + 32 * 72) // 8  # of q and down, split evenly
    assert resident_bytes(config, SETTINGS, as_mesh((1, 4, 2))) == expected + merged
    teacher = resident_bytes(CONFIG, SETTINGS, ONE, [CONFIG])
    assert teacher == state_bytes(CONFIG, SETTINGS, ONE) + 4 * num_params(CONFIG)


def as_mesh(sizes: tuple[int, int, int]) -> dict[str, int]:
    return mesh_sizes(MeshSettings(*sizes), math.prod(sizes))


def placed_bytes(config: LlamaConfig, settings: TrainSettings, sizes: tuple[int, int, int]) -> int:
    """Bytes of the real state with its real shardings on one chip."""
    mesh = partitioning.make_mesh(MeshSettings(*sizes))
    init = init_params if config.lora is None else init_adapters
    shapes = jax.eval_shape(lambda: init_train_state(init(config, jax.random.key(0)), settings))
    return on_one_chip(shapes, state_shardings(shapes, mesh))


def on_one_chip(shapes: object, shardings: object) -> int:
    leaves = zip(jax.tree.leaves(shapes), jax.tree.leaves(shardings), strict=True)
    return sum(math.prod(s.shard_shape(x.shape)) * x.dtype.itemsize for x, s in leaves)


def test_more_remat_keeps_less() -> None:
    kept = [
        activation_bytes(SEVEN, replace(SETTINGS, remat=remat, loss_chunk=16), ONE)
        for remat in ("none", "save_attention", "full")
    ]
    assert kept[0] > kept[1] > kept[2]


def test_temporaries_are_gradients_gathered_layers_and_activations() -> None:
    mesh = {"data": 1, "fsdp": 16, "tensor": 1}
    settings = replace(SETTINGS, dtype="bfloat16")
    found = temporary_bytes(SEVEN, settings, mesh)
    found -= activation_bytes(SEVEN, settings, mesh)
    params, table = num_params(SEVEN), 32000 * 4096
    layer = (params - 2 * table - 4096) / 32
    assert found == pytest.approx((4 + 2) * params / 16 + 2 * 2 * (layer + table), rel=1e-3)


def test_microbatches_keep_less_and_move_the_weights_more_often() -> None:
    accumulated = replace(SETTINGS, gradient_accumulation=4)
    assert activation_bytes(SEVEN, accumulated, ONE) < activation_bytes(SEVEN, SETTINGS, ONE)
    mesh = {"data": 1, "fsdp": 4, "tensor": 1}
    more, less = train_cost(SEVEN, accumulated, mesh), train_cost(SEVEN, SETTINGS, mesh)
    assert more.flops == less.flops and more.bytes_sent == pytest.approx(4 * less.bytes_sent)


def test_a_step_costs_the_same_flops_over_all_chips_whatever_the_mesh() -> None:
    single = train_cost(CONFIG, SETTINGS, ONE)
    for sizes in [(8, 1, 1), (1, 8, 1), (2, 2, 2)]:
        mesh = as_mesh(sizes)
        assert train_cost(CONFIG, SETTINGS, mesh).flops * 8 == pytest.approx(single.flops)
    assert single.bytes_sent == 0


def counted_layer_flops(config: LlamaConfig, settings: TrainSettings) -> float:
    """The compiler's count of one unrolled layer's forward and backward pass (a loop's body would
    be counted once): two layers less one.
    """

    def counted(layers: int) -> float:
        unrolled = replace(config, num_layers=layers, scan_layers=False, remat=settings.remat)
        shapes = jax.eval_shape(lambda: init_params(unrolled, jax.random.key(0)))
        tokens = jax.ShapeDtypeStruct((settings.batch_size, settings.max_length), jnp.int32)

        def loss(params: Any, tokens: Any) -> Any:
            return jnp.sum(Llama(unrolled).apply({"params": params}, tokens, tokens)[0])

        lowered = jax.jit(jax.grad(loss)).lower(shapes, tokens)
        return float(lowered.cost_analysis()["flops"])

    return counted(2) - counted(1)


@pytest.mark.parametrize("remat", ["none", "save_attention", "full"])
@pytest.mark.parametrize("keys", [8, 2])
def test_a_steps_flops_a_layer_are_within_15_percent_of_the_compilers_count(
    keys: int, remat: str
) -> None:
    config = LlamaConfig(512, 512, 1408, num_layers=1, num_heads=8, num_kv_heads=keys)
    settings = TrainSettings(batch_size=2, max_length=128, remat=remat)
    two, one = (train_cost(replace(config, num_layers=n), settings, ONE) for n in (2, 1))
    counted = counted_layer_flops(config, settings)
    assert two.flops - one.flops == pytest.approx(counted, rel=0.15)


def test_the_roofline_is_the_slowest_of_computing_moving_and_sending() -> None:
    chip = CHIPS["v5e"]
    compute = StepCost(flops=197e12, useful_flops=98.5e12, bytes_moved=1, bytes_sent=1)
    assert compute.seconds(chip) == 1 and compute.limit(chip) == "compute"
    assert compute.mfu_bound(chip) == 0.5
    memory = StepCost(flops=1, useful_flops=1, bytes_moved=2 * 819e9, bytes_sent=1)
    assert memory.seconds(chip) == 2 and memory.limit(chip) == "memory"
    sending = StepCost(flops=1, useful_flops=1, bytes_moved=1, bytes_sent=3 * 200e9)
    assert sending.seconds(chip) == 3 and sending.limit(chip) == "interconnect"


def test_k_samples_prefill_their_prompt_once() -> None:
    one, hundred = (sampling_flops(SEVEN, 130, 120, k) for k in (1, 100))
    prefill = 130 * token_flops(SEVEN, 130).blocks
    assert hundred - prefill == pytest.approx(100 * (one - prefill))
