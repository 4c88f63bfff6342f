"""Which problems a step samples, and which it replaces, is a function of seed and step alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from rft_jax.errors import UserError
from rft_jax.policy.metrics import sample_metrics
from rft_jax.policy.scored import (
    Scored,
    has_equal_rewards,
    problem_indices,
    problems_of_step,
    sample_step,
    split_held_out,
    split_updates,
)
from rft_jax.policy.settings import PolicySettings
from tests.policy.tiny import scored

PLACES = list(range(10, 34, 2))  # 12 problems


def test_every_problem_comes_once_in_an_epoch_and_in_another_order_in_the_next() -> None:
    steps = [problems_of_step(PLACES, step, 4, 7)[0] for step in range(6)]
    first = [*steps[0], *steps[1], *steps[2]]
    second = [*steps[3], *steps[4], *steps[5]]
    assert sorted(first) == sorted(second) == PLACES
    assert first != second
    assert steps[1] == problems_of_step(PLACES, 1, 4, 7)[0]
    assert steps[1] != problems_of_step(PLACES, 1, 4, 8)[0]


def test_replacements_are_all_other_problems() -> None:
    chosen, others = problems_of_step(PLACES, 2, 5, 0)
    assert sorted(chosen + others) == PLACES


def sampling(equal: Sequence[int], calls: list[list[int]]):
    """Samples two responses; those of the problems in `equal` have the same reward."""

    def sample(indices: Sequence[int]) -> list[Scored]:
        calls.append(list(indices))
        return [
            scored(index, float(number or index in equal), number=number)
            for index in indices
            for number in range(2)
        ]

    return sample


def test_zero_variance_groups_are_replaced_until_there_are_enough() -> None:
    calls: list[list[int]] = []
    found = sample_step([0, 1, 2], [3, 4, 5, 6], 5, sampling([1, 2, 3], calls))
    assert calls == [[0, 1, 2], [3, 4], [5]]
    assert sorted(set(problem_indices(found.kept).tolist())) == [0, 4, 5]
    assert sorted(set(problem_indices(found.dropped).tolist())) == [1, 2, 3]
    assert not has_equal_rewards(found.kept).any()


def test_replacing_stops_at_the_bound_and_then_drops_what_is_left() -> None:
    calls: list[list[int]] = []
    found = sample_step([0, 1], list(range(2, 20)), 2, sampling(range(20), calls))
    assert len(calls) == 3
    assert found.kept == []
    assert len(found.dropped) == 2 * 6


def test_replacing_stops_when_no_problem_is_left() -> None:
    calls: list[list[int]] = []
    sample_step([0, 1], [2], 9, sampling(range(20), calls))
    assert calls == [[0, 1], [2]]


def test_without_rounds_zero_variance_groups_stay() -> None:
    calls: list[list[int]] = []
    found = sample_step([0, 1], [2], 0, sampling([0], calls))
    assert (calls, len(found.kept), found.dropped) == ([[0, 1]], 4, [])


def test_undecided_samples_count_neither_way() -> None:
    of = [scored(0, 1.0), scored(0, None, number=1), scored(1, 1.0), scored(1, 0.0, number=1)]
    assert has_equal_rewards(of).tolist() == [True, True, False, False]
    assert has_equal_rewards([*of, scored(1, None, number=2)]).tolist() == [True] * 2 + [False] * 3
    assert has_equal_rewards([scored(0, None)]).tolist() == [True]


def test_an_undecided_sample_stays_with_its_group() -> None:
    def sample(indices: Sequence[int]) -> list[Scored]:
        return [scored(p, r, number=n) for p in indices for n, r in enumerate((1.0, 0.0, None))]

    found = sample_step([0], [1], 1, sample)
    assert (len(found.kept), found.dropped) == (3, [])
    assert sample_metrics(found)["zero_variance"] == 0.0
    assert sample_metrics(found)["dropped"] == 0


def test_held_out_problems_are_never_trained_on_and_too_few_are_refused() -> None:
    settings = PolicySettings(held_out=5, problems_per_step=7)
    trained, held_out = split_held_out(PLACES, settings)
    assert (len(trained), len(held_out)) == (7, 5)
    assert sorted(trained + held_out) == PLACES
    assert split_held_out(PLACES, settings) == (trained, held_out)
    with pytest.raises(UserError, match=r"problems_per_step is 7; of 11 .* 5 .*leaves 6"):
        split_held_out(PLACES[1:], settings)


def groups(indices: Sequence[int]) -> list[Scored]:
    """Three samples of each problem."""
    return [scored(index, float(n), number=n) for index in indices for n in range(3)]


def split_places(of: list[Scored], count: int, step: int = 0, seed: int = 0) -> list[list[int]]:
    """The problems of each update, one for each of its samples."""
    found = split_updates(of, count, step, seed)
    return [problem_indices(of)[mine].tolist() for mine in found]


@pytest.mark.parametrize("count", [1, 2, 3, 5, 12, 14])
def test_a_sample_is_in_one_update_together_with_its_group(count: int) -> None:
    of = groups(PLACES)
    masks = split_updates(of, count, 3, 7)
    assert len(masks) == count
    assert (np.sum(masks, axis=0) == 1).all()
    updates = split_places(of, count, 3, 7)
    sizes = [len(update) for update in updates]
    assert max(sizes) - min(sizes) <= 3
    assert all(update.count(index) == 3 for update in updates for index in update)


def test_updates_take_problems_in_an_order_of_seed_and_step_alone() -> None:
    of = groups(PLACES)
    first = split_places(of, 3)
    assert first[0] != sorted(PLACES * 3)[:12]  # as the file has them
    shuffled = [of[index] for index in np.random.default_rng(0).permutation(len(of))]
    assert [sorted(one) for one in split_places(shuffled, 3)] == [sorted(one) for one in first]
    assert split_places(of, 3) == first
    assert split_places(of, 3, step=1) != first
    assert split_places(of, 3, seed=1) != first


def test_a_problem_is_in_the_first_update_as_often_as_in_the_last() -> None:
    of, steps = groups(PLACES), 600
    share = [
        np.mean([p in split_places(of, 3, step)[u] for step in range(steps)])
        for u in (0, 2)
        for p in (PLACES[0], PLACES[-1])
    ]
    error = np.sqrt(1 / 3 * 2 / 3 / steps)
    assert np.abs(np.array(share) - 1 / 3).max() < 4 * error


def test_an_empty_step_is_counted_as_equal() -> None:
    assert has_equal_rewards([]).tolist() == []
    assert problem_indices([]).dtype == np.int64
