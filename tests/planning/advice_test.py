"""The advice for a train step that does not fit leads to one that does."""

from __future__ import annotations

from dataclasses import replace

from rft_jax.devices.chips import USABLE
from rft_jax.devices.mesh_settings import MeshSettings, mesh_sizes
from rft_jax.models.config import LlamaConfig
from rft_jax.planning.advice import advise, train_bytes
from rft_jax.planning.topologies import parse_topology
from rft_jax.training.settings import TrainSettings


def advised(config: LlamaConfig, settings: TrainSettings, topology: str) -> list[str]:
    return advise(config, settings, MeshSettings(), parse_topology(topology))


def test_advice_leads_to_a_step_that_fits() -> None:
    settings = TrainSettings(batch_size=64, dtype="bfloat16", loss_chunk=128)
    topology = parse_topology("v5e:4x4")
    changes = advise(LlamaConfig(), settings, MeshSettings(), topology)
    assert changes
    for change in changes:
        name, value = change.split(":")[0].removeprefix("train.").split(" = ")
        plain = value.strip("'")
        settings = replace(settings, **{name: int(plain) if plain.isdigit() else plain})
    sizes = mesh_sizes(MeshSettings(), 16)
    assert train_bytes(LlamaConfig(), settings, sizes) <= USABLE * topology.chip.hbm


def test_a_step_that_fits_needs_no_advice() -> None:
    settings = TrainSettings(batch_size=16, dtype="bfloat16", loss_chunk=128, remat="full")
    assert advised(LlamaConfig(), settings, "v5p:4x4x4") == []


def test_a_state_too_large_for_the_slice_needs_a_larger_one() -> None:
    big = LlamaConfig(
        hidden_size=8192, intermediate_size=28672, num_layers=80, num_heads=64, num_kv_heads=8
    )
    (only,) = advised(big, TrainSettings(batch_size=64, dtype="bfloat16"), "v5e:4x4")
    chips = int(only.split("about ")[1].split()[0])
    assert only.startswith("use a larger slice") and chips >= 64
