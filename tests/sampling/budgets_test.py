"""Samples by need: until enough paths are found, or in proportion to difficulty."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rft_jax.records import Sample
from rft_jax.sampling.budgets import Judges, UntilEnough, allot, make_judge, needed
from rft_jax.sampling.settings import SampleSettings

ANSWER = "<<1+2=3>>\n#### 3"


def _sample(number: int, response: str) -> Sample:
    return Sample("p", number, "m", 0, response, None, "stop", None)


@pytest.fixture(scope="module")
def judges() -> Iterator[Judges]:
    """Two worker processes."""
    workers = Judges(workers=2)
    yield workers
    workers.close()


def test_the_judge_gives_the_equations_of_correct_paths_and_nothing_of_others() -> None:
    drawn = [
        ("<<1+2=3>>\n#### 3", "stop"),
        ("<<2+1=3>>\n#### 3", "stop"),
        ("<<1+2=3>>\n#### 4", "stop"),
        ("<<1+2=4>>\n#### 3", "stop"),
        ("<<1+2=3>>", "length"),
    ]
    assert make_judge()((ANSWER, drawn)) == ["1+2=3", "2+1=3", None, None, None]


@given(keys=st.lists(st.sampled_from([None, "a", "b", "c"]), max_size=20), enough=st.integers(1, 4))
def test_as_many_samples_are_needed_as_give_enough_distinct_paths(
    keys: list[str | None], enough: int
) -> None:
    found = needed(keys, enough)
    distinct = [len(set(keys[:n]) - {None}) for n in range(len(keys) + 1)]
    if found is None:
        assert distinct[-1] < enough
    else:
        assert distinct[found] == enough
        assert distinct[found - 1] == enough - 1


def _decide(drawn: list[str], settings: SampleSettings, judges: Judges) -> tuple[list[int], int]:
    """Sizes of the rounds, and how many samples count."""
    budget = UntilEnough({0: ANSWER}, settings, judges)
    sizes, start = [], 0
    more = [(0, 0, settings.samples_at_a_time)]
    while more:
        ((_, first, count),) = more
        assert first == start
        budget.add(0, [_sample(i, drawn[i]) for i in range(first, first + count)])
        sizes.append(count)
        start += count
        assert budget.open
        more = budget.decide(wait=True)
    ((kept),) = budget.decided()
    assert [one.sample for one in kept] == list(range(len(kept)))
    assert not budget.open
    return sizes, len(kept)


def test_rounds_go_on_until_enough_are_found_and_the_surplus_is_discarded(judges: Judges) -> None:
    wrong, right = "#### 9", "<<1+2=3>>\n#### 3"
    other, third = "<<2+1=3>>\n#### 3", "<<3*1=3>>\n#### 3"
    drawn = [wrong, right, right, other, wrong, third, wrong, right] * 3
    settings = SampleSettings(budget="until", enough=3, round_size=4, num_samples=18)
    assert _decide(drawn, settings, judges) == ([4, 4], 6)
    assert _decide([wrong] * 18, settings, judges) == ([4, 4, 4, 4, 2], 18)
    # The same samples count whatever the rounds.
    for size in (1, 3, 18):
        other_rounds = SampleSettings(budget="until", enough=3, round_size=size, num_samples=18)
        assert _decide(drawn, other_rounds, judges)[1] == 6


@given(
    wrong=st.lists(st.integers(0, 8), min_size=1, max_size=12),
    total=st.integers(0, 200),
    most=st.integers(1, 30),
)
def test_the_total_is_shared_out_in_proportion_up_to_the_cap(
    wrong: list[int], total: int, most: int
) -> None:
    shares = allot(wrong, total, most)
    assert all(0 <= share <= most for share in shares)
    assert all(share == 0 for share, weight in zip(shares, wrong, strict=True) if weight == 0)
    assert sum(shares) == min(total, most * sum(weight > 0 for weight in wrong))
    free = [i for i, share in enumerate(shares) if 0 < share < most]
    if free:  # below the cap, shares differ from proportion by less than one sample
        unit = Fraction(sum(shares[i] for i in free), sum(wrong[i] for i in free))
        below = [i for i in range(len(wrong)) if shares[i] < most and wrong[i]]
        unit = Fraction(sum(shares[i] for i in below), sum(wrong[i] for i in below))
        assert all(abs(shares[i] - unit * wrong[i]) < 1 for i in below)


def test_shares_are_exact_and_remainders_go_to_the_largest_then_the_first() -> None:
    assert allot([1, 1, 2], 8, 100) == [2, 2, 4]
    assert allot([1, 1, 1], 4, 100) == [2, 1, 1]
    assert allot([4, 1, 1], 12, 5) == [5, 4, 3]
    assert allot([0, 0], 5, 5) == [0, 0]
