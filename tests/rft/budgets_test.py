"""Budgets: until enough paths are found, or in proportion to difficulty."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rft_jax.errors import UserError
from rft_jax.records import Problem, Sample
from rft_jax.rft.budgets import Proportional, Uniform, allot, make_worker, needed

PROBLEM = Problem("p", "1 + 2?", "<<1+2=3>>\n#### 3")


def _sample(number: int, response: str) -> Sample:
    return Sample("p", number, "m", 0, response, None, "stop", None)


def test_a_worker_gives_the_verdict_and_the_dedup_key_of_every_sample() -> None:
    responses = [
        ("<<1+2=3>>\n#### 3", "stop", "text"),
        ("<<2+1=3>>\n#### 3", "stop", "text"),
        ("<<1+2=3>>\n#### 4", "stop", "text"),
        ("<<1+2=4>>\n#### 3", "stop", "text"),
        ("<<1+2=3>>", "length", "text"),
        ("print(1 + 2)", "stop", "program"),
    ]
    assert make_worker()(("3", responses)) == [
        ("correct", "1+2=3"),
        ("correct", "2+1=3"),
        ("wrong_answer", "1+2=3"),
        ("wrong_equation", "1+2=4"),
        ("truncated", "1+2=3"),
        ("correct", "1+2=3"),
    ]


def test_a_worker_reads_programs_where_the_settings_say_so() -> None:
    texts = ("a = 1\nprint(a + 2)", "print(1 +", "#### 3")
    grades = make_worker("program")(("3", [(text, "stop", "text") for text in texts]))
    assert grades == [("correct", "1+2=3"), ("program_error", ""), ("no_output", "")]


@given(
    grades=st.lists(
        st.tuples(st.sampled_from(["correct", "wrong_answer"]), st.sampled_from("abc")), max_size=20
    ),
    enough=st.integers(1, 4),
)
def test_as_many_samples_are_needed_as_give_enough_distinct_correct_paths(
    grades: list[tuple[str, str]], enough: int
) -> None:
    number = needed(grades, enough)
    correct = [{key for verdict, key in grades[:n] if verdict == "correct"} for n in range(21)]
    if number is None:
        assert len(correct[-1]) < enough
    else:
        assert len(correct[number]) == enough
        assert len(correct[number - 1]) == enough - 1


def _rounds(responses: list[str], **settings: int) -> tuple[list[int], int]:
    """Sizes of the rounds that one problem gets, and how many samples are kept."""
    with closing(Uniform([PROBLEM], **settings)) as budget:
        sizes, total = [], budget.first_round
        while total > sum(sizes):
            first = sum(sizes)
            sizes.append(total - first)
            budget.add(0, [_sample(i, responses[i]) for i in range(first, total)])
            total = budget.decide(wait=True)[0]
        assert budget.decide(wait=True) == {}
        return sizes, total


def test_rounds_end_when_enough_paths_are_found_and_the_surplus_is_not_kept() -> None:
    incorrect, correct = "#### 9", "<<1+2=3>>\n#### 3"
    other, third = "<<2+1=3>>\n#### 3", "<<3*1=3>>\n#### 3"
    responses = [incorrect, correct, correct, other, incorrect, third, incorrect, correct] * 3
    settings = {"enough": 3, "num_samples": 18}
    assert _rounds(responses, round_size=4, **settings) == ([4, 4], 6)
    assert _rounds([incorrect] * 18, round_size=4, **settings) == ([4, 4, 4, 4, 2], 18)
    # The same samples are kept whatever the rounds.
    for size in (1, 3, 18):
        assert _rounds(responses, round_size=size, **settings)[1] == 6


def test_samples_beyond_the_first_round_are_in_proportion_to_incorrect_ones_of_all_processes() -> (
    None
):
    """Problem 3 is another process's, which has found all its samples incorrect."""
    problems = [replace(PROBLEM, id=f"p{i}") for i in range(4)]
    sums: list[list[int]] = []

    def sum_over_processes(values: Sequence[int]) -> list[int]:
        sums.append(list(values))
        return [*values[:3], 4]

    arguments = (problems, range(3), sum_over_processes)
    with closing(Proportional(*arguments, round_size=4, average=6.5, num_samples=9)) as budget:
        for index in range(3):
            assert budget.decide(wait=True) == {}
            correct = ["<<1+2=3>>\n#### 3"] * (4 - 2 * index)
            round_ = correct + ["#### 9"] * (2 * index)
            budget.add(index, [_sample(i, text) for i, text in enumerate(round_)])
        assert budget.decide(wait=False) == {}
        # 10 of 4 · 6.5 = 26 samples are left for 0, 2, 4 and 4 incorrect ones.
        assert budget.decide(wait=True) == {0: 4, 1: 4 + 2, 2: 4 + 4}
        assert sums == [[0, 2, 4, 0]]
        budget.add(2, [_sample(i, "#### 3") for i in range(4, 8)])
        assert budget.decide(wait=False) == {2: 8}
        assert len(sums) == 1


def test_a_sample_that_could_not_be_graded_in_time_is_not_incorrect() -> None:
    problems = [PROBLEM, replace(PROBLEM, id="q")]
    arguments = (problems, [0, 1], lambda values: [*values])
    with closing(Proportional(*arguments, 2, 3.0, 8)) as budget:
        budget._grades = {0: [("timeout", "a"), ("correct", "b")], 1: [("no_answer", "")] * 2}
        budget._added = [0, 1]
        assert budget.decide(wait=True) == {0: 2, 1: 4}


def test_a_process_without_problems_takes_part_in_the_sum() -> None:
    with closing(Proportional([PROBLEM], [], lambda values: [*values], 4, 4.0, 8)) as budget:
        assert budget.decide(wait=False) == {}
        assert budget.decide(wait=True) == {}


@given(
    incorrect=st.lists(st.integers(0, 8), min_size=1, max_size=12),
    total=st.integers(0, 200),
    most=st.integers(1, 30),
)
def test_the_total_is_shared_out_in_proportion_up_to_the_cap(
    incorrect: list[int], total: int, most: int
) -> None:
    shares = allot(incorrect, total, most)
    assert all(0 <= share <= most for share in shares)
    assert all(share == 0 for share, weight in zip(shares, incorrect, strict=True) if weight == 0)
    assert sum(shares) == min(total, most * sum(weight > 0 for weight in incorrect))
    free = [i for i, share in enumerate(shares) if 0 < share < most]
    if free:  # below the cap, shares differ from proportion by less than one sample
        unit = Fraction(sum(shares[i] for i in free), sum(incorrect[i] for i in free))
        below = [i for i in range(len(incorrect)) if shares[i] < most and incorrect[i]]
        unit = Fraction(sum(shares[i] for i in below), sum(incorrect[i] for i in below))
        assert all(abs(shares[i] - unit * incorrect[i]) < 1 for i in below)


def test_shares_are_exact_and_remainders_go_to_the_largest_then_the_first() -> None:
    assert allot([1, 1, 2], 8, 100) == [2, 2, 4]
    assert allot([1, 1, 1], 4, 100) == [2, 1, 1]
    assert allot([4, 1, 1], 12, 5) == [5, 4, 3]
    assert allot([0, 0], 5, 5) == [0, 0]


def test_a_problem_without_an_answer_is_refused_before_any_sampling() -> None:
    with pytest.raises(UserError, match=r"problem 'q' .* has no answer"):
        Uniform([PROBLEM, Problem("q", "?", "no\nanswer")], 1, 1, 1)
