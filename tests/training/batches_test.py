"""Batches are a pure function of (arrays, settings, step), and hold every example once an epoch."""

from __future__ import annotations

import numpy as np
import pytest

from rft_jax.training.batches import Batches, shuffled, without_empty_rows
from rft_jax.training.token_arrays import TokenArrays

LENGTHS = (5, 9, 3, 12, 7, 2, 8, 11, 4, 6)


def arrays() -> TokenArrays:
    """Example i is [100 i, 100 i + 1, …]; its prompt is its first third."""
    pieces = [100 * i + np.arange(length) for i, length in enumerate(LENGTHS, start=1)]
    return TokenArrays(
        np.concatenate(pieces).astype(np.int32),
        np.cumsum([0, *LENGTHS]),
        np.asarray([length // 3 for length in LENGTHS], np.int32),
    )


def batches(**changes: object) -> Batches:
    settings = {"batch_size": 2, "max_length": 16, "seed": 7} | changes
    return Batches(arrays(), **settings)  # type: ignore[arg-type]


def test_batch_n_does_not_depend_on_earlier_calls() -> None:
    one, other = batches(), batches()
    later = one.batch(5)
    for step in range(5):
        other.batch(step)
    again = other.batch(5)
    assert all((later[name] == again[name]).all() for name in later)


@pytest.mark.parametrize("packed", [True, False])
def test_an_epoch_holds_every_example_once(packed: bool) -> None:
    made = batches(packed=packed)
    steps = made.epoch_steps(0)
    rows = [row for step in range(steps) for row in made.rows_of(step)]
    assert sorted(example for row in rows for example in row) == list(range(len(LENGTHS)))
    assert max(map(len, rows)) == (1 if not packed else max(map(len, rows)))


@pytest.mark.parametrize("batch_size", [1, 3, 4, 10])
def test_batches_of_later_epochs_follow_those_of_earlier_ones(batch_size: int) -> None:
    made = batches(batch_size=batch_size)
    rows = []
    for epoch in range(4):
        of_epoch = made.epoch_rows(epoch)
        rows += of_epoch + [[]] * (-len(of_epoch) % batch_size)
    assert made.num_steps(4) * batch_size == len(rows)
    for step in reversed(range(made.num_steps(4))):
        first = step * batch_size
        assert batches(batch_size=batch_size).rows_of(step) == rows[first : first + batch_size]
    assert made.epoch_steps(3) == made.num_steps(4) - made.num_steps(3)


def test_epochs_and_seeds_have_different_orders() -> None:
    assert batches().epoch_rows(0) != batches().epoch_rows(1)
    assert batches().epoch_rows(0) != batches(seed=8).epoch_rows(0)


def test_a_packed_row_keeps_prompt_masks_positions_and_segments() -> None:
    made = batches()
    for step in range(made.num_steps(2)):
        batch = made.batch(step)
        for index, examples in enumerate(made.rows_of(step)):
            for segment, example in enumerate(examples, start=1):
                here = batch["segment_ids"][index] == segment
                first = 100 * (example + 1)
                length, prompt = LENGTHS[example], LENGTHS[example] // 3
                assert batch["tokens"][index][here].tolist() == list(
                    range(first, first + length - 1)
                )
                assert batch["targets"][index][here].tolist() == list(
                    range(first + 1, first + length)
                )
                assert batch["positions"][index][here].tolist() == list(range(length - 1))
                counted = batch["targets"][index][here][batch["loss_weights"][index][here] == 1]
                expected = range(first + max(prompt, 1), first + length)
                assert counted.tolist() == list(expected)
            assert (batch["loss_weights"][index][batch["segment_ids"][index] == 0] == 0).all()


def test_processes_take_disjoint_rows_that_make_up_the_batch() -> None:
    made = batches(batch_size=4)
    whole = made.batch(1)
    parts = [made.batch(1, process, 2) for process in range(2)]
    for name, rows in whole.items():
        assert (np.concatenate([part[name] for part in parts]) == rows).all()


def test_the_last_batch_is_filled_up_with_empty_rows() -> None:
    made = batches(batch_size=64)
    batch = made.batch(0)
    assert made.epoch_steps(0) == 1
    assert batch["tokens"].shape == (64, 16)
    assert batch["loss_weights"][len(made.epoch_rows(0)) :].sum() == 0


def test_rows_that_are_empty_in_every_epoch_are_left_out_and_nothing_else_changes() -> None:
    large = batches(batch_size=64)
    small = without_empty_rows(large, epochs=20, unit=4)
    most = max(len(large.epoch_rows(epoch)) for epoch in range(20))
    assert most <= small.batch_size < most + 4 and small.batch_size % 4 == 0
    assert small.num_steps(20) == large.num_steps(20) == 20
    for step in range(20):
        ours, theirs = small.batch(step), large.batch(step)
        for name in theirs:
            assert (ours[name] == theirs[name][: small.batch_size]).all()
            assert name in ("tokens", "targets") or not theirs[name][small.batch_size :].any()


def test_batches_of_more_than_one_step_keep_their_rows() -> None:
    assert without_empty_rows(batches(), epochs=3, unit=1).batch_size == 2
    assert without_empty_rows(batches(batch_size=6), epochs=1, unit=4).batch_size <= 6


def test_shuffling_is_reproducible_across_machines() -> None:
    assert shuffled(8, 0, 1, 2).tolist() == [6, 7, 2, 3, 0, 5, 1, 4]
