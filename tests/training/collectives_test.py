"""The collectives of a compiled train step, on eight CPU devices."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from functools import cache

import jax
import pytest

from rft_jax.devices.mesh_settings import MeshSettings
from rft_jax.models.config import LlamaConfig
from rft_jax.models.shapes import param_shapes
from rft_jax.planning.aot import Compiled, compile_train_step
from rft_jax.training.settings import TrainSettings
from tests.hlo import read_collectives

CONFIG = LlamaConfig(
    vocab_size=64,
    hidden_size=32,
    intermediate_size=96,
    num_layers=4,
    num_heads=8,
    num_kv_heads=8,
)
SETTINGS = TrainSettings(batch_size=8, max_length=16)


@cache
def compiled(data: int, fsdp: int, tensor: int) -> Compiled:
    return compile_train_step(CONFIG, SETTINGS, MeshSettings(data, fsdp, tensor), jax.devices())


def results(step: Compiled, kind: str) -> list[tuple[int, ...]]:
    """Result shapes of the collectives of a kind."""
    found = read_collectives(step.program)
    return [shape for collective in found if collective.kind == kind for shape in collective.shapes]


def sizes(step: Compiled, kind: str) -> list[int]:
    return [math.prod(shape) for shape in results(step, kind)]


@pytest.mark.each_change
def test_under_data_gradients_are_summed_and_no_parameter_is_gathered() -> None:
    step = compiled(8, 1, 1)
    kernels = {math.prod(s) for p, s in param_shapes(CONFIG).items() if p.endswith("gate/kernel")}
    summed = set(sizes(step, "all-reduce"))
    assert kernels & summed or {k // CONFIG.num_layers for k in kernels} & summed
    assert not results(step, "all-gather")


@pytest.mark.each_change
def test_under_fsdp_layers_are_gathered_one_at_a_time() -> None:
    gathered = results(compiled(1, 8, 1), "all-gather")
    shapes = param_shapes(CONFIG)
    layer = max(math.prod(s[1:]) for p, s in shapes.items() if p.startswith("layers/"))
    table = math.prod(shapes["embed/embedding"])
    assert gathered
    assert max(map(math.prod, gathered)) <= max(layer, table)


@pytest.mark.each_change
def test_under_fsdp_every_device_holds_an_eighth_of_the_state() -> None:
    whole, split = compiled(8, 1, 1), compiled(1, 8, 1)
    assert split.state < 0.2 * whole.state


@pytest.mark.each_change
def test_under_tensor_activations_are_summed_and_kernels_stay_where_they_are() -> None:
    step = compiled(1, 1, 8)
    activations = SETTINGS.batch_size * SETTINGS.max_length * CONFIG.hidden_size
    assert activations in sizes(step, "all-reduce")
    kernels = {s[1:] for p, s in param_shapes(CONFIG).items() if "mlp" in p and len(s) == 3}
    assert not kernels & set(results(step, "all-gather"))


@pytest.mark.parametrize(
    "chunk",
    [
        pytest.param(4, marks=pytest.mark.each_change),
        pytest.param(8, marks=pytest.mark.slow),
    ],
)
def test_chunked_logits_never_exist_all_at_once(chunk: int) -> None:
    settings = replace(SETTINGS, loss_chunk=chunk)
    step = compile_train_step(CONFIG, settings, MeshSettings(1, 1, 1), jax.devices()[:1])
    logits = {tuple(map(int, s.split(","))) for s in re.findall(r"f32\[([0-9,]+)\]", step.program)}
    assert (8, chunk, 64) in logits
    assert not {(8, 16, 64), (128, 64)} & logits
