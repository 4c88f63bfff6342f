"""The real steps, compiled ahead of time for TPU slices. Needs libtpu; shapes only, no weights."""

from __future__ import annotations

import importlib.util
import math
from collections import Counter
from dataclasses import replace

import pytest

from rft_jax.devices.mesh_settings import MeshSettings, mesh_sizes
from rft_jax.gin_settings import load_config
from rft_jax.models.config import LlamaConfig
from rft_jax.models.shapes import param_shapes
from rft_jax.planning import aot
from rft_jax.planning.closed_form import temporary_bytes
from rft_jax.planning.decoding import plan_decoding
from rft_jax.planning.settings import PlanSettings
from rft_jax.planning.topologies import parse_topology
from rft_jax.sampling.settings import SampleSettings
from rft_jax.training.memory import state_bytes
from rft_jax.training.settings import TrainSettings
from tests.hlo import KINDS, read_collectives

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("libtpu") is None, reason="needs libtpu"),
]
SMALL = LlamaConfig(
    vocab_size=512,
    hidden_size=512,
    intermediate_size=1024,
    num_layers=4,
    num_heads=4,
    num_kv_heads=2,
)
TRAIN = TrainSettings(dtype="bfloat16", remat="save_attention", loss_chunk=128)


def model(name: str) -> LlamaConfig:
    return load_config({"llama": LlamaConfig}, [f"models/{name}.gin"]).get(LlamaConfig)


def kernels(config: LlamaConfig) -> Counter[tuple[int, ...]]:
    """How many kernels of one layer have which shape."""
    shapes = param_shapes(config).items()
    return Counter(s[1:] for path, s in shapes if path.startswith("layers/") and len(s) > 2)


def shapes_of(program: str, kinds: set[str]) -> Counter[tuple[int, ...]]:
    """Result shapes of collectives of some kinds, without axes of a single layer."""
    return Counter(
        shape[1:] if len(shape) > 2 and shape[0] == 1 else shape
        for collective in read_collectives(program)
        if collective.kind in kinds
        for shape in collective.shapes
    )


def assert_no_collective_carries_more_than_a_layer(config: LlamaConfig, program: str) -> None:
    """No array of a collective is larger than a layer's largest kernel or a vocabulary table, and
    no collective of several arrays is larger than a layer and a table.
    """
    one_layer = [math.prod(shape) * n for shape, n in kernels(config).items()]
    table = config.vocab_size * config.hidden_size
    largest = max(table, *map(math.prod, kernels(config)))
    assert max(map(math.prod, shapes_of(program, KINDS))) <= largest
    assert max(c.elements for c in read_collectives(program)) <= sum(one_layer) + table


@pytest.mark.parametrize(
    ("topology", "chips", "scatters"),
    [
        ("v5e:2x2", 4, True),
        ("v5p:2x2x1", 4, True),
        # In three dimensions the compiler sums whole gradients, and every chip slices its shard.
        ("v5p:4x4x4", 64, False),
    ],
)
def test_under_fsdp_layers_are_gathered_and_their_gradients_scattered_one_at_a_time(
    topology: str, chips: int, scatters: bool
) -> None:
    settings = replace(TRAIN, batch_size=max(8, chips), max_length=128, loss_chunk=0)
    devices = aot.tpu_devices(parse_topology(topology))
    program = aot.compile_train_step(SMALL, settings, MeshSettings(), devices).program
    gathered = shapes_of(program, {"all-gather"})
    assert all(
        gathered[shape] == 2 * n for shape, n in kernels(SMALL).items()
    )  # forward and backward
    pieces = shapes_of(program, {"reduce-scatter"})
    summed = shapes_of(program, {"all-reduce"})
    for path, shape in param_shapes(SMALL).items():
        if not (path.startswith("layers/") and len(shape) > 2):
            continue
        first_axis = (shape[1] // chips, *shape[2:])  # the others are split along the last one
        is_piece = scatters and not path.endswith(("o/kernel", "down/kernel"))
        assert pieces[first_axis] if is_piece else summed[shape[1:]], path
    assert_no_collective_carries_more_than_a_layer(SMALL, program)


@pytest.mark.parametrize(
    ("name", "topology", "batch_size"),
    [("llama2_7b", "v5e:4x4", 48), ("llama2_13b", "v5e:8x8", 64), ("llama2_70b", "v5p:4x4x4", 64)],
)
def test_the_train_step_of_a_full_size_model_fits_its_slice(
    name: str, topology: str, batch_size: int
) -> None:
    slice_ = parse_topology(topology)
    settings = replace(TRAIN, batch_size=batch_size)
    config = model(name)
    compiled = aot.compile_train_step(config, settings, MeshSettings(), aot.tpu_devices(slice_))
    sizes = mesh_sizes(MeshSettings(), slice_.num_chips)
    batch_bytes = 5 * 4 * 512 * batch_size // slice_.num_chips
    assert compiled.state == pytest.approx(
        state_bytes(config, settings, sizes) + batch_bytes, rel=1e-3
    )
    assert compiled.fits and compiled.needed < slice_.chip.hbm
    estimated = temporary_bytes(config, settings, sizes)
    assert estimated / 2 < compiled.temporary < 2 * estimated
    assert set(kernels(config)) & set(shapes_of(compiled.program, {"all-gather"}))
    assert_no_collective_carries_more_than_a_layer(config, compiled.program)


def test_a_step_too_large_for_the_chips_reports_its_memory() -> None:
    settings = replace(TRAIN, batch_size=256, remat="none", loss_chunk=0, max_length=2048)
    config = replace(SMALL, num_layers=24)
    devices = aot.tpu_devices(parse_topology("v5e:2x2"))
    compiled = aot.compile_train_step(config, settings, MeshSettings(), devices)
    assert not compiled.fits and compiled.needed > 16e9


@pytest.mark.parametrize(
    ("name", "topology"),
    [("llama2_7b", "v5e:4x4"), ("llama2_13b", "v5e:8x8"), ("llama2_70b", "v5p:4x4x4")],
)
def test_the_decode_step_of_a_full_size_model_fits_its_slice(name: str, topology: str) -> None:
    slice_ = parse_topology(topology)
    config, settings = model(name), SampleSettings(dtype="bfloat16", max_prompt_length=256)
    plan = plan_decoding(config, settings, PlanSettings(), slice_)
    compiled = aot.compile_decode_step(
        config, settings, plan.geometry, plan.hardware.tensor, aot.tpu_devices(slice_)
    )
    assert plan.fits and plan.geometry.ring
    assert compiled.fits and compiled.needed < slice_.chip.hbm
    assert compiled.state == pytest.approx(plan.needed - plan.memory["logits"], rel=0.01)


@pytest.mark.parametrize("kv_heads", [4, 2])
@pytest.mark.parametrize(("cache_dtype", "vector_bytes"), [("", 2 * 128), ("int8", 128 + 4)])
def test_the_decode_step_needs_no_second_copy_of_its_ring(
    kv_heads: int, cache_dtype: str, vector_bytes: int
) -> None:
    config = replace(SMALL, num_kv_heads=kv_heads)
    settings = SampleSettings(dtype="bfloat16", max_prompt_length=64, slots=2048, group=8)
    settings = replace(settings, cache_dtype=cache_dtype)
    slice_ = parse_topology("v5e:2x2")
    plan = plan_decoding(config, settings, PlanSettings(sample_tensor=1), slice_)
    compiled = aot.compile_decode_step(config, settings, plan.geometry, 1, aot.tpu_devices(slice_))
    assert plan.memory["responses"] == 512 * 256 * 2 * 4 * kv_heads * vector_bytes
    assert compiled.temporary < 0.5 * plan.memory["responses"]


def test_a_v4_chip_is_one_device() -> None:
    assert len(aot.tpu_devices(parse_topology("v4:2x2x1"))) == 4
