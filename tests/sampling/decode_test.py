"""The decoding loop: when control returns to the host, and with which report."""

from __future__ import annotations

from dataclasses import replace

import jax
import numpy as np
import pytest

from rft_jax.sampling.decode import decode_chunk
from rft_jax.sampling.program import Program
from rft_jax.sampling.refill import end_samples, refill, tokens_so_far
from rft_jax.sampling.state import IDLE, Report, State, idle_state, loaded
from rft_jax.sampling.tasks import Task, pack
from tests.sampling.tiny import GEOMETRY, placed, program, requests

NEVER = (-1,)  # no end token: every sample has 24 tokens


@pytest.fixture(scope="module")
def endless() -> Program:
    """A program whose samples end at the length limit alone."""
    return program(eos=NEVER, geometry=replace(GEOMETRY, refill=4))


def _with_tasks(one: Program, *counts: int) -> State:
    """A state whose groups have tasks of so many samples in their first cells."""
    wanted = requests(len(counts))
    rows = [Task(r, 0, n) if n else None for r, n in zip(wanted, counts, strict=True)]
    cells = np.array([0, 2, 4, 6], np.int32)
    state, _ = refill(placed(one), idle_state(one, 16), cells, pack(rows, 16, 0), program=one)
    return state


def _decode(one: Program, state: State, more: bool) -> tuple[State, Report]:
    return decode_chunk(placed(one), state, np.bool_(more), program=one)


def test_a_chunk_ends_after_its_steps(endless: Program) -> None:
    state, report = _decode(endless, _with_tasks(endless, 6, 6, 6, 6), more=False)
    assert int(report.steps) == 16
    assert int(report.active) == 8
    assert int(report.busy) == 16 * 8
    tokens, active = tokens_so_far(state, program=endless)
    assert (np.sum(np.asarray(tokens) >= 0, axis=1) == 16).all()
    assert np.asarray(active).all()
    assert not np.asarray(report.complete).any()


def test_groups_that_need_a_refill_end_a_chunk_only_if_the_host_has_tasks(
    endless: Program,
) -> None:
    """Two slots a group start both samples at once, so all four groups have a free cell."""
    state, report = _decode(endless, _with_tasks(endless, 2, 2, 2, 2), more=True)
    assert int(report.steps) == 0
    assert np.asarray(report.needs_refill).tolist() == [True] * 4
    _, report = _decode(endless, state, more=False)
    assert int(report.steps) == 16


def test_a_chunk_ends_when_all_slots_are_idle(endless: Program) -> None:
    state, first = _decode(endless, _with_tasks(endless, 2, 0, 0, 1), more=False)
    state, second = _decode(endless, state, more=False)
    assert (int(first.steps), int(second.steps)) == (16, 8)
    assert (int(first.busy), int(second.busy)) == (3 * 16, 3 * 8)
    assert int(second.active) == 0
    assert np.asarray(second.complete).tolist() == [
        [True, False],
        *[[False] * 2] * 2,
        [True, False],
    ]
    assert (np.asarray(state.sample) == IDLE).all()


def test_a_slot_starts_its_groups_next_sample_at_the_step_after_its_last(
    endless: Program,
) -> None:
    """Three samples of 24 tokens on two slots take 48 steps: three chunks."""
    state = _with_tasks(endless, 3, 0, 0, 0)
    steps = []
    for _ in range(3):
        state, report = _decode(endless, state, more=False)
        steps.append(int(report.steps))
    assert steps == [16, 16, 16]
    assert np.asarray(state.finished)[0].tolist() == [3, 0]
    lengths = np.sum(np.asarray(state.tokens)[0, 0] >= 0, axis=-1)
    assert lengths.tolist() == [24, 24, 24, 0, 0, 0]


def test_a_sample_that_the_host_ends_frees_its_slot(endless: Program) -> None:
    state, _ = _decode(endless, _with_tasks(endless, 3, 0, 0, 0), more=False)
    ended = np.zeros(8, bool)
    ended[1] = True
    state = end_samples(state, ended, program=endless)
    assert np.asarray(state.finished)[0].tolist() == [1, 0]
    state, _ = _decode(endless, state, more=False)
    lengths = np.sum(np.asarray(state.tokens)[0, 0] >= 0, axis=-1)
    assert lengths.tolist() == [24, 16, 16, 0, 0, 0]


@pytest.mark.slow
def test_a_ring_stored_columns_first_decodes_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    geometry = replace(GEOMETRY, refill=4, ring=True)
    results = []
    for eos, columns_first in (((-2,), False), ((-3,), True)):  # either never ends a sample
        monkeypatch.setattr(Program, "columns_first", columns_first)
        one = program(eos=eos, geometry=geometry)
        state, _ = _decode(one, _with_tasks(one, 6, 6, 6, 6), more=False)
        state, _ = _decode(one, state, more=False)
        results.append((state.tokens, state.logprobs, loaded(state.cache, one)))
    ours, theirs = map(jax.tree.leaves, results)
    assert len(ours) == len(theirs) > 2
    assert all(np.array_equal(one, other) for one, other in zip(ours, theirs, strict=True))
