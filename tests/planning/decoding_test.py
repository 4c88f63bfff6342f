"""The planned decode step is the one that `rft sample` chooses on the same hardware."""

from __future__ import annotations

from dataclasses import replace

import jax
import pytest

from rft_jax.devices.chips import CHIPS, GIB
from rft_jax.devices.mesh_settings import MeshSettings
from rft_jax.errors import UserError
from rft_jax.models.config import LlamaConfig
from rft_jax.models.shapes import num_params
from rft_jax.planning.decoding import decode_cost, plan_decoding
from rft_jax.planning.settings import PlanSettings
from rft_jax.planning.topologies import parse_topology
from rft_jax.sampling.geometry import Hardware, cache_column_bytes, choose_geometry
from rft_jax.sampling.placement import hardware_of, sampling_mesh
from rft_jax.sampling.settings import SampleSettings

SEVEN = LlamaConfig()
SEVENTY = LlamaConfig(
    hidden_size=8192, intermediate_size=28672, num_layers=80, num_heads=64, num_kv_heads=8
)
BF16 = SampleSettings(dtype="bfloat16")
DATA = PlanSettings()


def test_a_v5p_decodes_256_samples_of_7b_at_a_time_with_a_ring():
    plan = plan_decoding(SEVEN, BF16, DATA, parse_topology("v5p:2x2x1"))
    sampler = choose_geometry(SEVEN, BF16, Hardware("tpu", memory=95 * GIB, shards=4))
    assert plan.geometry == sampler
    assert (plan.geometry.slots, plan.geometry.ring, plan.hardware.tensor) == (4 * 256, True, 1)


def test_the_hardware_is_that_of_the_samplers_mesh():
    mesh = sampling_mesh(BF16, MeshSettings(tensor=2))
    hardware = hardware_of(mesh, ("data", "fsdp"))
    plan = plan_decoding(SEVEN, BF16, replace(DATA, sample_tensor=2), parse_topology("h100:8"))
    assert len(jax.local_devices()) == 8
    same = ("shards", "tensor", "weight_shards")
    assert [getattr(plan.hardware, name) for name in same] == [
        getattr(hardware, name) for name in same
    ]


def test_a_gpu_plan_counts_on_the_share_of_memory_that_jax_takes(monkeypatch):
    eight = parse_topology("h100:8")
    assert plan_decoding(SEVEN, BF16, DATA, eight).hardware.memory == 60 * GIB
    monkeypatch.setenv("XLA_PYTHON_CLIENT_MEM_FRACTION", "0.9")
    plan = plan_decoding(SEVEN, BF16, DATA, eight)
    assert plan.hardware.memory == 72 * GIB and not plan.geometry.ring


@pytest.mark.parametrize(
    ("changes", "weights", "column"),
    [
        ({"dtype": "float32"}, 4, 2**20),
        ({"dtype": "bfloat16"}, 2, 2**19),
        ({"dtype": "bfloat16", "cache_dtype": "int8"}, 2, 2**18 * (1 + 4 / 128)),
    ],
)
def test_memory_follows_dtype_and_cache_dtype(changes, weights, column):
    sample = SampleSettings(slots=128, group=8, **changes)
    plan = plan_decoding(SEVEN, sample, replace(DATA, sample_tensor=1), parse_topology("h200:1"))
    assert plan.memory["weights"] == weights * num_params(SEVEN)
    assert plan.memory["responses"] == 128 * 256 * column


def test_a_copy_takes_the_fewest_chips_with_which_the_slice_decodes_the_most_samples():
    plan = plan_decoding(SEVEN, BF16, DATA, parse_topology("v5e:4x4"))
    assert (plan.hardware.tensor, plan.geometry.slots) == (2, 512)
    one_chip, four_chips = (
        plan_decoding(SEVEN, BF16, replace(DATA, sample_tensor=n), parse_topology("v5e:4x4"))
        for n in (1, 4)
    )
    assert not one_chip.fits
    assert four_chips.geometry.slots == 512


def test_a_model_too_large_for_the_slice_is_planned_with_one_group_and_does_not_fit():
    plan = plan_decoding(SEVENTY, BF16, DATA, parse_topology("v5e:2x2"))
    assert (plan.geometry.slots, plan.hardware.tensor, plan.fits) == (8, 4, False)


def test_slots_that_do_not_split_over_many_copies_take_fewer():
    plan = plan_decoding(SEVEN, replace(BF16, slots=16, group=8), DATA, parse_topology("v5p:2x2x2"))
    assert (plan.geometry.slots, plan.hardware.shards) == (16, 2)


def test_chips_per_copy_must_divide_the_slice():
    with pytest.raises(UserError, match=r"plan.sample_tensor 3 does not divide the 16 chips"):
        plan_decoding(SEVEN, BF16, replace(DATA, sample_tensor=3), parse_topology("v5e:4x4"))


def test_weights_split_over_fsdp_are_refused_and_not_planned_as_copies():
    with pytest.raises(UserError, match=r"shard_weights = True: .* plan\.sample_tensor to"):
        plan_decoding(SEVEN, replace(BF16, shard_weights=True), DATA, parse_topology("v5e:4x4"))


def test_a_groups_prompt_is_read_once():
    hardware = Hardware("gpu")
    alone, shared = (
        decode_cost(
            SEVEN,
            BF16,
            choose_geometry(SEVEN, replace(BF16, slots=64, group=group), hardware),
            hardware,
            prompt=130,
            context=60,
        )
        for group in (1, 8)
    )
    saved = cache_column_bytes(SEVEN, BF16) * 130 * (64 - 64 / 8)
    assert alone.bytes_moved - shared.bytes_moved == pytest.approx(saved)
    assert alone.flops == shared.flops


def test_a_step_moves_weights_and_cache_in_their_dtypes():
    hardware = Hardware("gpu", tensor=2, weight_shards=2)
    int8 = replace(BF16, cache_dtype="int8")
    costs = [
        decode_cost(
            SEVEN,
            sample,
            choose_geometry(SEVEN, replace(sample, slots=64, group=8), hardware),
            hardware,
            prompt=130,
            context=60,
        )
        for sample in (BF16, int8)
    ]
    columns = 8 * 130 + 64 * 60
    weights = 2 * (num_params(SEVEN) - 32000 * 4096) / 2
    assert costs[0].bytes_moved == weights + columns * 2**18
    assert costs[1].bytes_moved == weights + columns * 2**17 * (1 + 4 / 128)
    assert costs[0].bytes_sent == 2 * 2 * 32 * 64 * 4096 * 2 * (1 - 1 / 2)


def test_tokens_per_second_are_the_slots_of_all_copies_at_the_roofline():
    plan = plan_decoding(SEVEN, BF16, DATA, parse_topology("v5p:2x2x1"))
    seconds = plan.cost.bytes_moved / 2765e9
    assert plan.tokens_per_second(CHIPS["v5p"]) == pytest.approx(1024 / seconds)
