"""Chips are found by what JAX calls them."""

from __future__ import annotations

import pytest

from rft_jax.devices.chips import CHIPS, chip_of


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
def test_a_device_is_known_by_what_jax_calls_it(device_kind: str, name: str) -> None:
    chip = chip_of(device_kind)
    assert chip is not None and chip.name == name


@pytest.mark.parametrize("device_kind", ["cpu", "", "NVIDIA H100 PCIe", "TPU v5 lite pod"])
def test_a_device_that_is_not_in_the_table_is_no_chip_of_it(device_kind: str) -> None:
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
    assert CHIPS["v5p"].hbm == 95 * 2**30 and CHIPS["h200"].hbm == 141e9
