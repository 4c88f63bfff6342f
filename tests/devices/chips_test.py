"""Chips by JAX's device_kind, their published values, and the memory that JAX allocates from."""

from __future__ import annotations

import pytest

from rft_jax.devices.chips import CHIPS, GIB, available_memory, chip_of, size_text


@pytest.mark.parametrize(
    ("device_kind", "name"),
    [
        ("TPU v4", "v4"),
        ("TPU v5 lite", "v5e"),
        ("TPU v5", "v5p"),
        ("TPU v6 lite", "v6e"),
        ("NVIDIA A100-SXM4-80GB", "a100"),
        ("NVIDIA H100 80GB HBM3", "h100"),
        ("NVIDIA H200", "h200"),
    ],
)
def test_a_device_is_found_by_its_device_kind(device_kind: str, name: str) -> None:
    chip = chip_of(device_kind)
    assert chip is not None and chip.name == name


@pytest.mark.parametrize("device_kind", ["cpu", "", "NVIDIA H100 PCIe", "TPU v5 lite pod"])
def test_an_unlisted_device_kind_is_not_a_chip(device_kind: str) -> None:
    assert chip_of(device_kind) is None


def test_peaks_and_memories_are_the_published_ones() -> None:
    assert {n: c.peak / 1e12 for n, c in CHIPS.items()} == {
        "v4": 275,
        "v5e": 197,
        "v5p": 459,
        "v6e": 918,
        "a100": 312,
        "h100": 989,
        "h200": 989,
    }
    assert {n: c.hbm / 2**30 for n, c in CHIPS.items()} == {
        "v4": 32,
        "v5e": 16,
        "v5p": 95,
        "v6e": 32,
        "a100": 80,
        "h100": 80,
        "h200": 141,
    }


def test_jax_allocates_from_all_of_a_tpus_memory_and_a_share_of_a_gpus(monkeypatch) -> None:
    monkeypatch.delenv("XLA_PYTHON_CLIENT_MEM_FRACTION", raising=False)
    assert available_memory(CHIPS["v5e"]) == 16 * GIB
    assert available_memory(CHIPS["h100"]) == 60 * GIB
    monkeypatch.setenv("XLA_PYTHON_CLIENT_MEM_FRACTION", ".95")
    assert available_memory(CHIPS["a100"]) == 76 * GIB
    assert available_memory(CHIPS["v5p"]) == 95 * GIB


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1,023 B"),
        (1024, "1 KiB"),
        (2**20 * 1.5, "1.5 MiB"),
        (156.25 * 2**20, "156 MiB"),
        (12.55 * 2**30, "12.6 GiB"),
        (2**40, "1,024.0 GiB"),
        (float("inf"), "inf GiB"),
    ],
)
def test_sizes_are_written_in_binary_units(size: float, text: str) -> None:
    assert size_text(size) == text
