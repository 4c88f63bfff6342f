"""The advice for a train step that does not fit leads to one that does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rft_jax.devices.chips import USABLE, available_memory, size_text
from rft_jax.devices.mesh_settings import MeshSettings, mesh_sizes
from rft_jax.models.config import LlamaConfig
from rft_jax.planning.advice import LORA_RANK, advise, train_bytes
from rft_jax.planning.topologies import parse_topology
from rft_jax.training.settings import TrainSettings

SEVENTY = LlamaConfig(
    hidden_size=8192, intermediate_size=28672, num_layers=80, num_heads=64, num_kv_heads=8
)


def advised(config: LlamaConfig, settings: TrainSettings, topology: str) -> list[str]:
    return advise(config, settings, MeshSettings(), parse_topology(topology))


def _changed(settings: TrainSettings, changes: list[str]) -> TrainSettings:
    for change in changes:
        name, value = change.split(":")[0].removeprefix("train.").split(" = ")
        plain = value.strip("'")
        settings = replace(settings, **{name: int(plain) if plain.isdigit() else plain})
    return settings


def test_advice_leads_to_a_step_that_fits() -> None:
    settings = TrainSettings(batch_size=64, dtype="bfloat16", loss_chunk=128)
    topology = parse_topology("v5e:4x4")
    changes = advise(LlamaConfig(), settings, MeshSettings(), topology)
    assert changes
    settings = _changed(settings, changes)
    sizes = mesh_sizes(MeshSettings(), 16)
    assert train_bytes(LlamaConfig(), settings, sizes) <= USABLE * topology.chip.hbm


@pytest.mark.parametrize(
    ("topology", "remat", "others"),
    [("h100:1", "none", 2), ("h100:2", "none", 1), ("h100:1", "full", 0)],
)
def test_where_full_training_does_not_fit_lora_does_with_what_follows_it(
    topology: str, remat: str, others: int
) -> None:
    config = LlamaConfig()
    settings = TrainSettings(batch_size=48, dtype="bfloat16", loss_chunk=128, remat=remat)
    lora, *changes, larger = advised(config, settings, topology)
    assert len(changes) == others
    assert larger.startswith("instead, to train all parameters: a larger slice, with about ")
    slice_ = parse_topology(topology)
    settings = _changed(settings, [lora, *changes])
    assert settings.lora_rank == LORA_RANK
    sizes = mesh_sizes(MeshSettings(), slice_.num_chips)
    needed = train_bytes(replace(config, lora=settings.lora), settings, sizes)
    assert f"; {size_text(needed)} per chip" in lora
    assert ("with what follows" in lora) == bool(others)
    assert needed <= USABLE * available_memory(slice_.chip)


def test_adapters_that_do_not_fit_need_a_larger_slice() -> None:
    settings = TrainSettings(batch_size=64, dtype="bfloat16", loss_chunk=128, lora_rank=4)
    config = replace(LlamaConfig(), lora=settings.lora)
    (only,) = advised(config, settings, "v5e:1x1")
    chips = int(only.removeprefix("use a larger slice, with about ").split(" chips of v5e")[0])
    usable = USABLE * parse_topology("v5e:1x1").chip.hbm
    needed = [
        train_bytes(config, settings, {"data": 1, "fsdp": number, "tensor": 1})
        for number in (chips // 2, chips)
    ]
    assert needed[0] > usable >= needed[1]


def test_a_step_that_fits_needs_no_advice() -> None:
    settings = TrainSettings(batch_size=16, dtype="bfloat16", loss_chunk=128, remat="full")
    assert advised(LlamaConfig(), settings, "v5p:4x4x4") == []


def test_a_state_too_large_for_the_slice_needs_a_larger_one() -> None:
    (only,) = advised(SEVENTY, TrainSettings(batch_size=64, dtype="bfloat16"), "v5e:4x4")
    chips = int(only.split("about ")[1].split()[0])
    assert only.startswith("use a larger slice") and chips >= 64
