"""Larger numbers, and answers that are names."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import islice

import pytest

from rft_jax.wordproblems.cast import NAMES
from rft_jax.wordproblems.expressions import count_operations
from rft_jax.wordproblems.generator import (
    Story,
    draw_stories,
    equations,
    extra_paths,
    generate_problems,
    generate_stories,
)
from rft_jax.wordproblems.splits import SPLITS, bucket_of
from rft_jax.wordproblems.vocabulary import count_tokens


def numbers(text: str) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d+", text)]


@pytest.fixture(scope="module")
def large() -> list[Story]:
    return list(generate_stories("test-large", 500, seed=0))


@pytest.fixture(scope="module")
def named() -> list[Story]:
    return list(generate_stories("train-names", 500, seed=0))


def test_large_values_are_at_most_9999_and_mostly_of_four_digits(large: list[Story]):
    values = [n for story in large for e in equations(story.reference) for n in numbers(e)]
    assert min(values) >= 2
    assert 9000 < max(values) <= 9999
    answers = [int(str(story.tree.value)) for story in large]
    assert sum(answer > 99 for answer in answers) / len(answers) > 0.9


@pytest.mark.slow
def test_large_stories_have_the_words_of_ordinary_ones(large: list[Story]):
    def shape(question: str) -> str:
        words = re.sub("|".join(NAMES), "NAME", re.sub(r"\d+", "9", question))
        return re.sub(r"\b(twice|9 times)\b", "TIMES", words)

    stories = islice(draw_stories("train", 0), 30_000)
    ordinary = {word for story in stories for word in shape(story.question).split()}
    assert {word for story in large for word in shape(story.question).split()} <= ordinary
    assert {story.family for story in large} == {
        "collecting", "comparing", "buying", "rates", "fractions",
    }  # fmt: skip


def test_every_large_reference_is_correct_by_an_independent_check(
    large: list[Story], check_path: Callable[..., list[str]]
):
    for story in large:
        assert tuple(check_path(story.question, story.reference, 9999)) == equations(
            story.reference
        )


def test_a_name_is_of_the_person_who_has_more_or_fewer(named: list[Story]):
    for story in named:
        asked = re.search(r"Who has (more|fewer) \w+\?$", story.question)
        assert asked
        amounts = {name: node.value for name, node in story.tree.people}
        best = max if asked[1] == "more" else min
        assert len(set(amounts.values())) == 2
        assert story.reference.endswith(f"\n#### {best(amounts, key=amounts.get)}")
        assert count_operations(story.tree) == 4


def test_each_of_the_two_people_is_the_answer_about_half_of_the_time(named: list[Story]):
    first = sum(story.tree.value == story.tree.people[0][0] for story in named)
    assert 200 < first < 300
    more = sum("Who has more" in story.question for story in named)
    assert 200 < more < 300


def test_rows_are_short_enough(large: list[Story], named: list[Story]):
    for story in (*large, *named):
        most = SPLITS[story.split].row_tokens
        assert count_tokens(f"{story.question}\n", story.reference) <= most


@pytest.mark.parametrize("split", [name for name in SPLITS if "-" in name])
def test_a_variants_questions_are_in_the_bucket_that_it_is_named_after(split: str):
    problems = generate_problems(split, 50)
    assert {bucket_of(problem.question) for problem in problems} == {split.partition("-")[0]}
    assert all(problem.id.startswith(f"wordproblems-{split}/") for problem in problems)


def test_variants_share_no_question():
    sets = [
        {p.question for p in generate_problems(f"test{v}", 1000)} for v in ("", "-large", "-names")
    ]
    assert len(set.union(*sets)) == 3000


def test_a_large_story_has_further_solutions(
    large: list[Story], check_path: Callable[..., list[str]]
):
    for story in large[:50]:
        paths = [story.reference, *extra_paths(story, 4, seed=0)]
        assert len({tuple(check_path(story.question, path, 9999)) for path in paths}) == 5
