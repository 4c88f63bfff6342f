"""The mesh's sizes make up the number of devices, or are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rft_jax.devices.mesh_settings import AXES, MeshSettings, mesh_sizes
from rft_jax.errors import UserError

sizes = st.integers(1, 16)


@pytest.mark.parametrize(
    ("settings", "devices", "expected"),
    [
        (MeshSettings(), 8, (1, 8, 1)),
        (MeshSettings(2, -1, 2), 8, (2, 2, 2)),
        (MeshSettings(-1, 1, 1), 6, (6, 1, 1)),
        (MeshSettings(1, 2, 4), 8, (1, 2, 4)),
    ],
)
def test_minus_one_stands_for_the_remaining_devices(
    settings: MeshSettings, devices: int, expected: tuple[int, int, int]
) -> None:
    assert mesh_sizes(settings, devices) == dict(zip(AXES, expected, strict=True))


@given(sizes, sizes, sizes, st.sampled_from(AXES))
def test_the_remaining_size_is_found_on_any_axis(data: int, fsdp: int, tensor: int, axis: str):
    full = {"data": data, "fsdp": fsdp, "tensor": tensor}
    devices = data * fsdp * tensor
    assert mesh_sizes(MeshSettings(**full | {axis: -1}), devices) == full


@pytest.mark.parametrize("settings", [MeshSettings(1, -1, 3), MeshSettings(2, 2, 1)])
def test_sizes_that_do_not_make_up_the_devices_are_refused(settings: MeshSettings) -> None:
    with pytest.raises(UserError, match="does not make up 8 devices; set one of them to -1"):
        mesh_sizes(settings, 8)


@pytest.mark.parametrize("size", [0, -2])
def test_an_axis_without_devices_is_refused(size: int) -> None:
    with pytest.raises(UserError, match=rf"mesh\.tensor is {size}; 1 or more"):
        MeshSettings(tensor=size)


@pytest.mark.parametrize(
    ("given_sizes", "named"),
    [
        ((-1, -1, 1), "mesh.data and mesh.fsdp are"),
        ((2, -1, -1), "mesh.fsdp and mesh.tensor are"),
        ((-1, -1, -1), "mesh.data and mesh.fsdp and mesh.tensor are"),
    ],
)
def test_only_one_axis_gets_the_remaining_devices(
    given_sizes: tuple[int, int, int], named: str
) -> None:
    with pytest.raises(UserError, match=f"{named} -1; only one axis"):
        MeshSettings(*given_sizes)
