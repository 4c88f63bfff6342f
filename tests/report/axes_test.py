"""Scales, ticks and their labels."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rft_jax.report import axes


@settings(max_examples=200, deadline=None)
@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_are_round_and_cover_the_data(low: float, width: float) -> None:
    ticks = axes.nice_ticks(low, low + width)
    assert ticks[0] <= low + 1e-6 * max(1, abs(low), width)
    assert ticks[-1] >= low + width - 1e-6 * max(1, abs(low), width)
    assert 2 <= len(ticks) <= 12
    assert ticks == sorted(set(ticks))


def test_ticks_of_a_single_value_still_span_something() -> None:
    for value in (0.0, 3.0, -2.5):
        ticks = axes.nice_ticks(value, value)
        assert ticks[0] <= value < ticks[-1]


def test_an_axis_maps_its_ends_and_the_middle_linearly_or_logarithmically() -> None:
    linear, log = axes.Axis(1, 100, 50, 250), axes.Axis(1, 100, 50, 250, log=True)
    assert [linear(v) for v in (1, 50.5, 100)] == [50, 150, 250]
    assert [log(v) for v in (1, 10, 100)] == pytest.approx([50, 150, 250])


def test_few_values_are_their_own_ticks_and_many_have_round_ones() -> None:
    assert axes.x_axis([1, 4, 16, 4], 0, 100, log=True).ticks == [1, 4, 16]
    many = axes.x_axis(range(3, 101), 0, 100, log=True)
    assert many.log and many.ticks == [5, 10, 20, 50, 100]
    assert (many(3), many(100)) == (0, 100)
    assert axes.x_axis([0.004 * 1.3**n for n in range(20)], 0, 1, log=True).ticks[:2] == [
        0.005,
        0.01,
    ]
    assert axes.x_axis(range(100), 0, 100, log=False).ticks == [0, 20, 40, 60, 80, 100]


def test_labels_do_not_overlap_and_the_last_one_stays() -> None:
    axis = axes.Axis(0, 10, 0, 100, ticks=range(11))
    assert axes.spread_ticks(axis) == [10, 7, 4, 1]


@pytest.mark.parametrize(
    ("value", "share", "number"),
    [(0.5, "50 %", "0.5"), (0.123, "12.3 %", "0.123"), (1234.5, "123450 %", "1,234")],
)
def test_numbers_are_short(value: float, share: str, number: str) -> None:
    assert axes.percent(value) == share
    assert axes.plain(value) == number
