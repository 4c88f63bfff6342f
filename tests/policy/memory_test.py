"""Slots of the sampler are chosen beside what the training holds, to the byte."""

from __future__ import annotations

import gc
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import jax
import pytest
from jax.sharding import Mesh

from rft_jax.errors import Preempted
from rft_jax.policy.rollouts import Rollouts
from rft_jax.policy.settings import PolicySettings
from rft_jax.sampling import sampler
from rft_jax.sampling.geometry import Hardware
from rft_jax.sampling.placement import hardware_of
from tests.policy.conftest import DISTILLED, SETTINGS, UPDATE, run
from tests.tiny_model import write_tiny_model


@pytest.mark.parametrize(
    ("settings", "lora_rank", "others"),
    [(SETTINGS, 0, []), (SETTINGS, 2, ["reference_model"]), (DISTILLED, 0, ["teacher"])],
)
def test_the_sampler_counts_on_what_the_training_holds_beside_it(
    files: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: PolicySettings,
    lora_rank: int,
    others: list[str],
) -> None:
    other = write_tiny_model(tmp_path / "other", hidden_size=32)
    counted, held = [], []

    def hardware(mesh: Mesh, rows: tuple[str, ...], resident: int) -> Hardware:
        counted.append(resident)
        return hardware_of(mesh, rows, resident)

    def sample(*_: object) -> NoReturn:
        held.append(_bytes_on_a_device())
        raise Preempted

    monkeypatch.setattr(sampler, "hardware_of", hardware)
    monkeypatch.setattr(Rollouts, "sample", sample)
    update, before = replace(UPDATE, lora_rank=lora_rank), _bytes_on_a_device()
    with pytest.raises(Preempted):
        run(files, tmp_path / "out", settings, update, **dict.fromkeys(others, str(other)))
    assert held[0] - before == pytest.approx(counted[0], abs=64)


def _bytes_on_a_device() -> int:
    """Of all buffers on the first device; a shard that was looked at is an array of its own too."""
    gc.collect()
    shards = [shard for array in jax.live_arrays() for shard in array.addressable_shards]
    own = [shard.data for shard in shards if shard.device == jax.devices()[0]]
    return sum({data.unsafe_buffer_pointer(): data.nbytes for data in own}.values())
