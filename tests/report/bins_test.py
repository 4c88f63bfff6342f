from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from rft_jax.report import bins
from rft_jax.report.bins import Bin


def test_values_of_few_problems_are_merged_with_their_neighbours() -> None:
    values = [2] * 100 + [3] * 609 + [4] * 1241 + [5] * 49 + [6]
    found = bins.by_value(values)
    assert [one.label for one in found] == ["2", "3", "4", "5–6"]
    assert [one.label for one in bins.by_value([1] * 5 + values[1:])] == ["1–2", "3", "4", "5–6"]
    assert bins.by_value([2, 3, 3]) == [Bin(2, 3)]
    assert bins.by_value([]) == bins.quarters([]) == []


def test_quarters_hold_a_quarter_each_and_equal_values_together() -> None:
    assert bins.quarters([40, 10, 30, 20]) == [Bin(n, n) for n in (10, 20, 30, 40)]
    assert bins.quarters([1, 1, 1, 1, 1, 2, 3, 9]) == [Bin(1, 2), Bin(3, 9)]


@given(st.lists(st.integers(0, 40), min_size=1, max_size=400), st.integers(1, 60))
def test_every_value_is_in_one_bin_and_every_bin_is_large_enough(
    values: list[int], least: int
) -> None:
    found = bins.by_value(values, least)
    counts = Counter(i for value in values for i, one in enumerate(found) if value in one)
    assert sum(counts.values()) == len(values)
    assert 1 <= len(found) <= bins.MOST
    assert len(found) == 1 or min(counts.values()) >= least
    quarters = bins.quarters(values)
    assert all(sum(value in one for one in quarters) == 1 for value in values)
