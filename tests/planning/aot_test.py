"""The real steps, compiled for slices that are not there. Needs libtpu; shapes only, no weights."""

from __future__ import annotations

import importlib.util
import math
import re
from dataclasses import replace

import pytest

from rft_jax.gin_settings import load_config
from rft_jax.mesh_settings import MeshSettings, mesh_sizes
from rft_jax.models.config import LlamaConfig
from rft_jax.models.shapes import param_shapes
from rft_jax.planning import aot
from rft_jax.planning.closed_form import (
    decode_bytes,
    decode_tensor,
    state_bytes,
    temporary_bytes,
)
from rft_jax.planning.topologies import parse_topology
from rft_jax.sampling.settings import SampleSettings
from rft_jax.training.settings import TrainSettings

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("libtpu") is None, reason="needs libtpu"),
]
SMALL = LlamaConfig(
    vocab_size=32000,
    hidden_size=1024,
    intermediate_size=2816,
    num_layers=4,
    num_heads=8,
    num_kv_heads=4,
)
TRAIN = TrainSettings(dtype="bfloat16", remat="save_attention", loss_chunk=128)


def model(name: str) -> LlamaConfig:
    return load_config({"llama": LlamaConfig}, [f"models/{name}.gin"]).get(LlamaConfig)


@pytest.mark.parametrize(
    ("name", "topology", "batch_size", "kinds"),
    [
        ("llama2_7b", "v5e:4x4", 48, {"all-gather", "collective-permute"}),
        ("llama2_13b", "v5e:8x8", 64, {"all-gather", "all-reduce"}),
        # For a v5p the gathers have no name of their own in the text.
        ("llama2_70b", "v5p:4x4x4", 64, {"all-reduce"}),
    ],
)
def test_the_train_step_of_a_full_size_model_fits_its_slice(
    name: str, topology: str, batch_size: int, kinds: set[str]
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
    assert kinds <= compiled.collectives.keys()
    if "all-gather" in kinds:
        assert_no_gather_of_the_whole_model(config, compiled)


def assert_no_gather_of_the_whole_model(config: LlamaConfig, compiled: aot.Compiled) -> None:
    """No gathered array is larger than one layer's largest kernel or a vocabulary table."""
    largest = max(
        shape[0] * shape[1] if not path.startswith("layers") else math.prod(shape[1:])
        for path, shape in param_shapes(config).items()
        if len(shape) > 1
    )
    gathered = re.findall(r"= \(?\w+\[([0-9,]+)\]\S* all-gather", compiled.program)
    assert gathered
    assert max(math.prod(map(int, shape.split(","))) for shape in gathered) <= largest


def test_a_step_too_large_for_the_chips_says_how_much_it_needs() -> None:
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
    state = decode_bytes(config, aot.decode_geometry(config, settings, 1))
    tensor = decode_tensor(state, slice_.chip, slice_.num_chips)
    compiled = aot.compile_decode_step(config, settings, tensor, aot.tpu_devices(slice_))
    assert compiled.fits and compiled.needed < slice_.chip.hbm
    assert compiled.state == pytest.approx(state / tensor, rel=0.1)
