"""Refills: tasks go into the cells named, and what those held comes out."""

from __future__ import annotations

import numpy as np

from rft_jax.sampling.decode import decode_chunk
from rft_jax.sampling.refill import refill
from rft_jax.sampling.state import idle_state
from rft_jax.sampling.tasks import Task, pack
from tests.sampling.tiny import GEOMETRY, placed, program, requests

NOWHERE = GEOMETRY.groups * GEOMETRY.prompts


def test_a_refill_takes_out_what_a_cell_held_and_puts_a_task_in() -> None:
    one = program(eos=(-1,))
    first, second = requests(2)
    state, _ = refill(
        placed(one),
        idle_state(one, 16),
        np.array([5], np.int32),
        pack([Task(first, 2, 4)], 16, 0),
        program=one,
    )
    assert np.argwhere(np.asarray(state.count)).tolist() == [[2, 1]]  # cell 5 = 2 · 2 + 1
    assert np.asarray(state.count)[2, 1] == 4
    assert np.asarray(state.first)[2, 1] == 2
    assert np.asarray(state.last_tokens)[2, 1] == first.prompt[-1]
    assert np.asarray(state.keys)[2, 1].tolist() == first.key.tolist()
    assert np.asarray(state.cache.prefix_lengths)[2, 1] == len(first.prompt) - 1
    state, report = decode_chunk(placed(one), state, np.bool_(False), program=one)
    held = np.asarray(state.tokens)[2, 1]
    state, (tokens, logprobs) = refill(
        placed(one), state, np.array([5], np.int32), pack([Task(second, 0, 1)], 16, 0), program=one
    )
    np.testing.assert_array_equal(tokens[0], held)
    assert (np.asarray(tokens)[0, :2] >= 0).sum() == 2 * int(report.steps)
    assert (np.asarray(logprobs)[0, :2, : int(report.steps)] < 0).all()
    assert (np.asarray(state.tokens) == -1).all()
    assert np.asarray(state.count)[2, 1] == 1
    assert np.asarray(state.started)[2, 1] == 0


def test_a_row_without_a_cell_changes_nothing() -> None:
    one = program(eos=(-1,))
    (request,) = requests(1)
    state, (tokens, _) = refill(
        placed(one),
        idle_state(one, 16),
        np.array([NOWHERE], np.int32),
        pack([Task(request, 0, 3)], 16, 0),
        program=one,
    )
    assert not np.asarray(state.count).any()
    assert not any(np.asarray(layer.prefix[0].keys).any() for layer in state.cache.by_layer)
    assert (np.asarray(tokens) == -1).all()
