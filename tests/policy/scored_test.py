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
    places_of,
    problems_of_step,
    sample_step,
    split_held_out,
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

    def sample(places: Sequence[int]) -> list[Scored]:
        calls.append(list(places))
        return [
            scored(place, float(number or place in equal), number=number)
            for place in places
            for number in range(2)
        ]

    return sample


def test_zero_variance_groups_are_replaced_until_there_are_enough() -> None:
    calls: list[list[int]] = []
    found = sample_step([0, 1, 2], [3, 4, 5, 6], 5, sampling([1, 2, 3], calls))
    assert calls == [[0, 1, 2], [3, 4], [5]]
    assert sorted(set(places_of(found.kept).tolist())) == [0, 4, 5]
    assert sorted(set(places_of(found.dropped).tolist())) == [1, 2, 3]
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
    def sample(places: Sequence[int]) -> list[Scored]:
        return [scored(p, r, number=n) for p in places for n, r in enumerate((1.0, 0.0, None))]

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


def test_an_empty_step_is_counted_as_equal() -> None:
    assert has_equal_rewards([]).tolist() == []
    assert places_of([]).dtype == np.int64
