"""Where sampling runs: which devices, what is split over them, how much memory they have."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from rft_jax.devices.mesh_settings import MeshSettings
from rft_jax.errors import UserError
from rft_jax.sampling.geometry import choose_geometry
from rft_jax.sampling.placement import (
    decoding_shardings,
    hardware_of,
    params_placer,
    row_axes,
    sampling_mesh,
)
from rft_jax.sampling.settings import SampleSettings
from tests.sampling.tiny import CONFIG, params


def test_without_mesh_settings_one_device_samples() -> None:
    mesh = sampling_mesh(SampleSettings(), None)
    assert mesh.devices.ravel().tolist() == [jax.devices()[0]]


def test_weights_are_replicated_over_the_axes_of_the_slots_and_split_over_the_others() -> None:
    mesh = sampling_mesh(SampleSettings(), MeshSettings(data=1, fsdp=4, tensor=2))
    kernel = jax.ShapeDtypeStruct((32, 48), "float32")
    shapes = {"layers_0": {"mlp": {"gate": {"kernel": kernel}}}}
    gate = decoding_shardings(shapes, mesh, ("data", "fsdp"))["layers_0"]["mlp"]["gate"]["kernel"]
    assert tuple(gate.spec) == (None, "tensor")
    gate = decoding_shardings(shapes, mesh, ("data",))["layers_0"]["mlp"]["gate"]["kernel"]
    assert tuple(gate.spec) == ("fsdp", "tensor")


@pytest.mark.parametrize(("shard_weights", "shards", "copies"), [(False, 4, 2), (True, 1, 8)])
def test_a_copy_of_the_model_takes_the_devices_that_the_slots_leave(
    shard_weights: bool, shards: int, copies: int
) -> None:
    settings = SampleSettings(shard_weights=shard_weights)
    mesh = sampling_mesh(settings, MeshSettings(data=1, fsdp=4, tensor=2))
    hardware = hardware_of(mesh, row_axes(settings))
    assert (hardware.shards, hardware.tensor, hardware.weight_shards) == (shards, 2, copies)
    assert hardware.platform == "cpu"
    assert hardware_of(mesh, row_axes(settings), resident=2**30) == hardware
    assert 2**30 < hardware.memory * len(jax.local_devices()) < 2**50


def test_placed_parameters_are_by_layer_and_in_the_decoding_dtype() -> None:
    mesh = sampling_mesh(SampleSettings(), None)
    place = params_placer(params(), CONFIG.num_layers, "bfloat16", mesh, ("data", "fsdp"))
    placed = place(params())
    assert set(placed) == {"embed", "final_norm", "layers_0", "layers_1", "unembed"}
    assert {leaf.dtype.name for leaf in jax.tree.leaves(placed)} == {"bfloat16"}
    stacked = params()["layers"]["mlp"]["up"]["kernel"]
    for layer in (0, 1):
        kernel = placed[f"layers_{layer}"]["mlp"]["up"]["kernel"]
        np.testing.assert_array_equal(kernel, stacked[layer].astype("bfloat16"))


def test_slots_that_the_mesh_cannot_split_evenly_are_refused() -> None:
    settings = SampleSettings(slots=24, group=4, max_new_tokens=32)
    mesh = sampling_mesh(settings, MeshSettings(data=4, fsdp=1, tensor=2))
    with pytest.raises(UserError, match=r"slots = 24 .* 4 shards of the mesh; .* multiple of 16"):
        choose_geometry(CONFIG, settings, hardware_of(mesh, ("data", "fsdp")))
