"""How many slots there are, and what they take of a device's memory."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import jax
import pytest

from rft_jax.devices.chips import GIB, USABLE
from rft_jax.errors import UserError
from rft_jax.models.config import LlamaConfig, Lora
from rft_jax.models.shapes import num_params
from rft_jax.sampling.geometry import (
    DoesNotFit,
    Geometry,
    Hardware,
    choose_geometry,
    describe_memory,
    memory_needed,
)
from rft_jax.sampling.methods import Greedy
from rft_jax.sampling.placement import sampling_mesh
from rft_jax.sampling.program import Program, decoding_config
from rft_jax.sampling.settings import SampleSettings
from rft_jax.sampling.state import abstract_state
from rft_jax.training.memory import resident_bytes
from rft_jax.training.settings import TrainSettings
from tests.docs_pages import ROOT
from tests.sampling.tiny import CONFIG

LLAMA_7B = LlamaConfig(max_position_embeddings=2048)
BF16 = SampleSettings(num_samples=100, dtype="bfloat16", max_prompt_length=257)
H200 = Hardware("gpu", memory=141 * GIB)


def test_buckets_double_up_to_the_longest_prompt_that_leaves_room_for_a_response() -> None:
    geometry = choose_geometry(CONFIG, SampleSettings(max_new_tokens=100))
    assert geometry.buckets == (64, 155)
    assert geometry.max_prompt_length + 100 == CONFIG.max_position_embeddings
    assert choose_geometry(LLAMA_7B, SampleSettings()).buckets == (64, 128, 256, 511)
    assert [geometry.bucket_of(n) for n in (1, 65, 66, 156)] == [64, 64, 155, 155]


def test_a_sliding_window_is_the_longest_that_prompt_and_response_may_be_together() -> None:
    config = replace(CONFIG, sliding_window=128)
    geometry = choose_geometry(config, SampleSettings(max_new_tokens=100))
    assert geometry.max_prompt_length + 100 == 128
    assert choose_geometry(config, SampleSettings(max_new_tokens=126)).max_prompt_length == 2
    for max_new_tokens in (127, 128, 200):
        with pytest.raises(UserError, match=r"no room .* sliding_window of 128; take at most 126"):
            choose_geometry(config, SampleSettings(max_new_tokens=max_new_tokens))


@pytest.mark.parametrize(
    ("num_samples", "group"), [(1, 1), (2, 1), (4, 2), (8, 4), (15, 4), (16, 8), (100, 8)]
)
def test_every_slot_draws_two_samples_of_a_problem_or_more(num_samples: int, group: int) -> None:
    settings = SampleSettings(num_samples=num_samples, max_new_tokens=100)
    geometry = choose_geometry(CONFIG, settings)
    assert geometry.group == group
    assert geometry.prompts == (1 if group == 1 else 2)


def test_what_prompts_have_in_common_takes_no_room_in_the_buckets() -> None:
    settings = SampleSettings(max_prompt_length=512, max_new_tokens=100)
    geometry = choose_geometry(LLAMA_7B, settings, common=400)
    assert geometry.buckets == (64, 111)
    assert geometry.max_prompt_length == 512
    assert [geometry.bucket_of(length) for length in (401, 465, 466, 512)] == [64, 64, 111, 111]


def test_the_geometry_goes_through_json() -> None:
    geometry = choose_geometry(CONFIG, SampleSettings(max_new_tokens=100))
    assert Geometry.from_json(json.loads(json.dumps(asdict(geometry)))) == geometry


def test_slots_are_the_most_that_fit_into_memory() -> None:
    geometry = choose_geometry(LLAMA_7B, BF16, H200)
    needed = sum(memory_needed(LLAMA_7B, BF16, geometry, H200).values())
    assert geometry.slots == 512
    assert needed < USABLE * 141 * GIB
    smaller = replace(H200, memory=40 * GIB)
    geometry = choose_geometry(LLAMA_7B, BF16, smaller)
    assert geometry.slots == 64
    double = replace(geometry, slots=128)
    assert sum(memory_needed(LLAMA_7B, BF16, double, smaller).values()) > USABLE * 40 * GIB


def test_slots_fit_beside_what_a_training_holds() -> None:
    settings, mesh = TrainSettings(), {"data": 1, "fsdp": 1, "tensor": 1}
    config = replace(LLAMA_7B, lora=Lora(16, 32.0))
    resident = resident_bytes(config, settings, mesh)
    assert 7.5 < resident / num_params(LLAMA_7B) < 8.5  # frozen, and nearly all merged, of 4 bytes
    training = replace(H200, resident=resident)
    geometry = choose_geometry(LLAMA_7B, BF16, training)
    needed = memory_needed(LLAMA_7B, BF16, geometry, training)
    assert needed["training"] == resident
    assert sum(needed.values()) <= USABLE * 141 * GIB
    assert geometry.slots < choose_geometry(LLAMA_7B, BF16, H200).slots
    with pytest.raises(DoesNotFit, match=r"samples beside the training need 6\d\.\d GiB"):
        choose_geometry(LLAMA_7B, BF16, replace(training, memory=70 * GIB))


def test_7b_weights_take_13_5_gb_and_a_token_half_a_megabyte() -> None:
    geometry = choose_geometry(LLAMA_7B, BF16, H200)
    needed = memory_needed(LLAMA_7B, BF16, geometry, H200)
    assert needed["weights"] == 2 * 6_738_415_616
    assert needed["responses"] == 512 * 256 * 2**19
    assert needed["prompts"] == 512 // 8 * 2 * 256 * 2**19


def test_int8_halves_the_cache_of_bfloat16_but_for_scales() -> None:
    geometry = choose_geometry(LLAMA_7B, replace(BF16, cache_dtype="int8"), H200)
    needed = memory_needed(LLAMA_7B, replace(BF16, cache_dtype="int8"), geometry, H200)
    assert needed["responses"] == 512 * 256 * 2**18 * (1 + 4 / 128)


def test_a_model_that_does_not_fit_is_an_error_with_both_sizes() -> None:
    small = replace(H200, memory=12 * GIB)
    sizes = r"6,738,415,616 parameters .* need 13\.8 GiB on each device, and 80% of its 12\.0 GiB"
    with pytest.raises(DoesNotFit, match=sizes):
        choose_geometry(LLAMA_7B, BF16, small)


@pytest.mark.parametrize(
    ("changes", "advised", "not_advised"),
    [
        ({"dtype": "float32"}, ["mesh.tensor", "bfloat16", "int8"], []),
        ({}, ["mesh.tensor", "int8", "sample.max_new_tokens"], ["bfloat16"]),
        ({"cache_dtype": "int8"}, ["mesh.tensor"], ["bfloat16", "int8"]),
    ],
)
def test_the_refusal_advises_what_is_not_set_yet(
    changes: dict[str, str], advised: list[str], not_advised: list[str]
) -> None:
    with pytest.raises(DoesNotFit) as error:
        choose_geometry(LLAMA_7B, replace(BF16, **changes), replace(H200, memory=8 * GIB))
    assert all(word in str(error.value) for word in advised)
    assert not any(word in str(error.value) for word in not_advised)


def test_kv_heads_and_kernels_that_do_not_split_evenly_are_whole_on_every_device() -> None:
    """As in the sharding rules: 2 kv heads do not split over 4 devices, 4 heads do."""
    config = replace(LLAMA_7B, num_heads=4, num_kv_heads=2)
    split = Hardware("gpu", tensor=4, weight_shards=4)
    geometry = choose_geometry(config, BF16, split)
    needed = memory_needed(config, BF16, geometry, split)
    column = 2 * 32 * 2 * config.head_size * 2
    assert needed["responses"] == geometry.slots * 256 * column
    keys = 2 * 32 * 4096 * 2 * config.head_size
    norms = (2 * 32 + 1) * 4096
    assert needed["weights"] == 2 * ((num_params(config) - keys - norms) // 4 + keys + norms)


def test_a_model_split_over_devices_fits() -> None:
    split = Hardware("gpu", memory=12 * GIB, tensor=4, weight_shards=4)
    assert choose_geometry(LLAMA_7B, BF16, split).slots >= 64


def test_the_sum_is_that_of_the_arrays() -> None:
    """Caches byte for byte; logits are an estimate."""
    for cache_dtype in ("", "int8"):
        settings = SampleSettings(max_new_tokens=100, cache_dtype=cache_dtype)
        geometry = choose_geometry(CONFIG, settings)
        mesh = sampling_mesh(settings, None)
        program = Program(decoding_config(CONFIG, "float32"), Greedy(), (1,), geometry, mesh)
        cache = abstract_state(program, geometry.buckets[-1]).cache
        needed = memory_needed(CONFIG, settings, geometry, Hardware())
        for name, part in (("prompts", "prefix"), ("responses", "suffix")):
            arrays = jax.tree.leaves([getattr(layer, part) for layer in cache.by_layer])
            held = sum(x.size * x.dtype.itemsize for x in arrays)
            assert held == needed[name]


def test_the_sum_is_shown_in_one_line() -> None:
    """The line of docs/sampling.md."""
    hardware = replace(H200, memory=0.92 * H200.memory)
    geometry = choose_geometry(LLAMA_7B, BF16, hardware)
    line = describe_memory(memory_needed(LLAMA_7B, BF16, geometry, hardware), geometry, hardware)
    assert line == (
        "512 slots in groups of 8: weights 12.6 GiB + prompts 16.0 GiB + responses 64.0 GiB + "
        "logits 312 MiB = 92.9 GiB of 129.7 GiB per device"
    )
    assert f"\nsample: {line}\n" in (ROOT / "docs" / "sampling.md").read_text("utf-8")


def test_slots_asked_for_are_taken() -> None:
    geometry = choose_geometry(CONFIG, SampleSettings(slots=24, max_new_tokens=100))
    assert (geometry.slots, geometry.group, geometry.refill) == (24, 8, 1)


def test_a_gpu_reads_up_to_512_columns_without_asking_whether_a_slot_reached_them() -> None:
    assert choose_geometry(CONFIG, SampleSettings(max_new_tokens=9), Hardware("gpu")).block == 512
    assert choose_geometry(CONFIG, SampleSettings(max_new_tokens=9), Hardware("cpu")).block == 128


def test_a_tpu_writes_a_ring() -> None:
    assert choose_geometry(CONFIG, SampleSettings(max_new_tokens=9), Hardware("tpu")).ring
    assert not choose_geometry(CONFIG, SampleSettings(max_new_tokens=9), Hardware("gpu")).ring
