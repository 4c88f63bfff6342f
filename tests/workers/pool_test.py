from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rft_jax.errors import UserError
from rft_jax.workers.child import ChildDiedError
from rft_jax.workers.pool import batches_of, cpu_cores, map_in_order
from tests.rft.factories import make_fragile, make_large, make_refusing, make_slow_square


@pytest.mark.parametrize("workers", [0, 1, 2, 3])
def test_results_come_in_the_batches_order(workers: int) -> None:
    results = map_in_order(make_slow_square, (3,), range(40), workers)
    assert list(results) == [number**2 for number in range(40)]


def test_no_more_batches_are_taken_than_the_workers_can_hold() -> None:
    taken = 0

    def batches() -> Iterator[int]:
        nonlocal taken
        for number in range(1, 200):
            taken = number
            yield number

    results = map_in_order(make_slow_square, (1000,), batches(), 2)
    for done, _ in enumerate(results, start=1):
        assert taken - done <= 12
    assert taken == 199


def test_answers_larger_than_a_pipe_arrive_whole() -> None:
    results = list(map_in_order(make_large, (1_000_000,), range(20), 3))
    assert results == [bytes([number]) * 1_000_000 for number in range(20)]


@given(st.lists(st.integers(0, 9)), st.integers(1, 20))
def test_a_batch_ends_with_the_item_that_fills_it(sizes: list[int], enough: int) -> None:
    batches = list(batches_of(sizes, lambda size: size, enough))
    assert [size for batch in batches for size in batch] == sizes
    assert all(sum(batch) >= enough > sum(batch[:-1]) for batch in batches[:-1])
    assert all(batch and sum(batch[:-1]) < enough for batch in batches)


def test_without_batches_there_are_no_results() -> None:
    assert list(map_in_order(make_slow_square, (3,), [], 2)) == []


def test_a_worker_that_dies_ends_the_work_with_an_error() -> None:
    with pytest.raises(ChildDiedError):
        list(map_in_order(make_fragile, (os.getpid(),), range(20), 2))


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_the_first_mistake_of_a_user_ends_the_work_in_whichever_process(workers: int) -> None:
    results = map_in_order(make_refusing, (5,), range(40), workers)
    assert list(islice(results, 5)) == [0, 1, 2, 3, 4]
    with pytest.raises(UserError, match=r"^5 is refused$"):
        next(results)


def test_there_is_a_core_to_work_on() -> None:
    assert cpu_cores() >= 1
