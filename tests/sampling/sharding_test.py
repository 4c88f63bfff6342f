"""Sampling on meshes of 8 CPU devices: the same samples, up to rounding."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rft_jax.devices.mesh_settings import MeshSettings
from tests.sampling.tiny import GEOMETRY, Outcome, agreement, assert_same, requests, run

WIDE = replace(GEOMETRY, slots=32)


@pytest.fixture(scope="module")
def alone() -> Outcome:
    """40 requests of 5 samples, on one device."""
    return run(requests(40), geometry=WIDE)


@pytest.mark.parametrize(
    ("mesh", "rows"),
    [
        pytest.param(
            MeshSettings(data=2, fsdp=2, tensor=2),
            ("data", "fsdp"),
            marks=pytest.mark.each_change,
        ),
        (MeshSettings(data=2, fsdp=2, tensor=2), ("data",)),
        pytest.param(
            MeshSettings(data=8, fsdp=1, tensor=1), ("data", "fsdp"), marks=pytest.mark.slow
        ),
    ],
    ids=["slots over 4, heads over 2", "slots over 2, weights over 4", "slots over 8"],
)
def test_samples_agree_with_those_of_one_device(
    alone: Outcome, mesh: MeshSettings, rows: tuple[str, ...]
) -> None:
    outcome = run(requests(40), geometry=WIDE, mesh=mesh, rows=rows)
    assert agreement(alone, outcome) >= 0.99
    assert outcome.counters.prefills == 40


def test_on_a_mesh_too_samples_are_bit_identical_in_any_order_and_whatever_the_batch() -> None:
    mesh = MeshSettings(data=2, fsdp=2, tensor=2)
    whole = run(requests(40), geometry=WIDE, mesh=mesh)
    part = run(requests(40)[25:3:-2], geometry=WIDE, mesh=mesh)
    for key, sample in part.samples.items():
        assert_same(sample, whole.samples[key])


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(("data", "fsdp"), marks=pytest.mark.each_change),
        pytest.param(("data",), marks=pytest.mark.slow),
    ],
    ids=["rows over 4", "rows over 2"],
)
def test_what_prompts_have_in_common_is_held_by_every_shard(rows: tuple[str, ...]) -> None:
    start = list(range(20, 28))
    wanted = [replace(one, prompt=start + list(one.prompt)) for one in requests(40, longest=9)]
    common = replace(WIDE, common=8, buckets=(8,))
    mesh = MeshSettings(data=2, fsdp=2, tensor=2)
    split = run(wanted, geometry=common, mesh=mesh, rows=rows)
    assert agreement(split, run(wanted, geometry=WIDE)) >= 0.99
