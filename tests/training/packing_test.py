"""Packing never splits, loses or repeats an example, and fills rows."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rft_jax.training.packing import pack


@given(st.lists(st.integers(0, 40), max_size=200), st.integers(1, 50))
def test_every_example_is_in_one_row_and_no_row_overflows(lengths: list[int], window: int) -> None:
    rows = pack(np.asarray(lengths, int), 40, window)
    assert sorted(example for row in rows for example in row) == list(range(len(lengths)))
    assert all(sum(lengths[example] for example in row) <= 40 for row in rows)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=60))
def test_no_two_rows_of_a_window_fit_into_one(lengths: list[int]) -> None:
    rows = pack(np.asarray(lengths), 40, len(lengths))
    loads = sorted(sum(lengths[example] for example in row) for row in rows)
    assert len(loads) == 1 or loads[0] + loads[1] > 40


def test_packing_fills_95_percent_of_rows_at_lengths_like_gsm8k() -> None:
    rng = np.random.default_rng(0)
    lengths = np.clip(rng.normal(194, 70, 7473), 40, 500).astype(int)
    rows = pack(lengths, 512)
    assert lengths.sum() / (512 * len(rows)) >= 0.95


def test_examples_stay_within_their_window() -> None:
    rows = pack(np.full(100, 10), 20, window=10)
    assert all(example // 10 == i // 5 for i, row in enumerate(rows) for example in row)
