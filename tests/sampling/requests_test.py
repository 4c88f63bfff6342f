"""Counters: rates and utilisation."""

from __future__ import annotations

from rft_jax.sampling.requests import Counters


def test_rates_are_per_second_and_utilisation_per_slot_and_step() -> None:
    counters = Counters(
        samples=30, tokens=600, steps=10, slot_steps=80, busy_slot_steps=60, seconds=2.0
    )
    assert counters.metrics() == {"samples/s": 15.0, "tokens/s": 300.0, "slots busy": 0.75}
    timing = counters.to_json()
    assert timing["steps"] == 10
    assert timing["samples_per_second"] == 15.0
    assert timing["tokens_per_second"] == 300.0
    assert timing["slot_utilisation"] == 0.75


def test_before_anything_is_done_rates_are_zero() -> None:
    assert set(Counters().metrics().values()) == {0.0}
