from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from itertools import islice

import pytest

from rft_jax.errors import UserError
from rft_jax.records import question_digest
from rft_jax.wordproblems import generator
from rft_jax.wordproblems.cast import StoryRandom
from rft_jax.wordproblems.expressions import count_operations
from rft_jax.wordproblems.generator import (
    FAMILIES,
    Story,
    draw_stories,
    equations,
    extra_paths,
    generate_problems,
    generate_stories,
    half_of,
)
from rft_jax.wordproblems.splits import PROBLEM_SPLITS, SPLITS, bucket_of
from rft_jax.wordproblems.vocabulary import count_tokens
from tests.wordproblems.usual import usual_problems

Check = Callable[[str, str], list[str]]


def test_every_reference_is_correct_by_an_independent_check(
    stories: list[Story], check_path: Check
):
    for story in stories:
        checked = check_path(story.question, story.reference)
        assert tuple(checked) == equations(story.reference)
        assert story.reference.endswith(f"\n#### {story.tree.value}")


def test_every_sampled_path_is_correct_with_the_same_answer(
    stories: list[Story], check_path: Check
):
    rng = StoryRandom(5)
    for story in stories:
        answer = story.reference.rpartition("#### ")[2]
        for _ in range(6):
            path = story.sample_path(rng)
            check_path(story.question, path)
            assert path.rpartition("#### ")[2] == answer


def test_the_shortest_paths_take_as_many_operations_as_the_story_says(stories: list[Story]):
    rng = StoryRandom(6)
    for story in stories[:300]:
        paths = [story.reference, *(story.sample_path(rng) for _ in range(20))]
        counts = [len(re.findall(r"[-+*/]", " ".join(equations(path)))) for path in paths]
        assert min(counts) == count_operations(story.tree)


def test_stories_read_as_questions_and_name_whom_they_ask_about(stories: list[Story]):
    for story in stories:
        assert re.fullmatch(r"[A-Z][^?]*\?", story.question), story.question
        assert not re.search(r"[@#{}]|  |\. [a-z]|[a-z,] [HS]he\b", story.question), story.question
        assert not re.search(r"@|  |\. [a-z]", story.reference), story.reference
        assert not re.search(r"\b[01]\b", story.question), story.question


def test_families_and_numbers_of_operations_are_equally_frequent():
    drawn = list(islice(draw_stories("train", seed=3, operations=(2, 3, 4)), 3000))
    families = Counter(story.family for story in drawn)
    operations = Counter(count_operations(story.tree) for story in drawn)
    assert set(families) == set(FAMILIES)
    assert all(abs(n - 600) < 90 for n in families.values()), families
    assert set(operations) == {2, 3, 4}
    assert all(abs(n - 1000) < 110 for n in operations.values()), operations


def test_the_experiments_problems_have_four_operations():
    assert {count_operations(story.tree) for story in generate_stories("test", 200, seed=0)} == {4}


def test_each_family_tells_stories_of_each_number_of_operations(stories: list[Story]):
    kinds = {(story.family, count_operations(story.tree)) for story in stories}
    assert kinds == {(family, n) for family in FAMILIES for n in (1, 2, 3, 4)}


def test_a_problem_has_many_correct_paths():
    rng = StoryRandom(0)
    sizes = []
    for story in generate_stories("dev", 100, seed=4):
        sizes.append(len({equations(story.sample_path(rng)) for _ in range(100)}))
    assert 30 <= sum(sizes) / len(sizes) <= 48


def test_questions_and_answers_are_short_enough_for_a_row():
    drawn = list(generate_stories("train", 1000, seed=0))
    prompts = [count_tokens(story.question, "") for story in drawn]
    answers = [count_tokens("", story.reference) for story in drawn]
    assert 38 <= sum(prompts) / 1000 <= 46
    assert 56 <= sum(answers) / 1000 <= 68
    assert max(map(sum, zip(prompts, answers, strict=True))) <= SPLITS["train"].row_tokens


def test_problems_are_named_by_split_and_question():
    for split in SPLITS:
        for problem in generate_problems(split, 20, seed=1):
            digest = question_digest(problem.question)
            assert problem.id == f"wordproblems-{split}/{digest}"
            assert "\n#### " in problem.answer


def test_a_bucket_is_a_function_of_the_question_alone():
    texts = ("", "a", "How many?", "Tom has 3.")
    assert [bucket_of(text) for text in texts] == ["test", "train", "test", "pretrain"]
    counts = Counter(bucket_of(f"question {n}") for n in range(20000))
    assert abs(counts["pretrain"] - 14000) < 300
    assert all(abs(counts[bucket] - 2000) < 200 for bucket in ("train", "dev", "test"))


@pytest.mark.parametrize(
    ("split", "digest"),
    [
        ("train", "42a5f69f9632bcea48187f6b49f20fb4ab079f93bb0815e6bca10dbc382bd2bf"),
        ("dev", "8e885d93f4eb695106e9755f8953fd9b66fd9d49955397ad38118985efa5a7ff"),
        ("test", "7cb9d7f2f43fb5c5b7033588a37a08c9f4b34f51125184d71ad6afcfc2b8a86c"),
    ],
)
def test_the_problems_measured_on_so_far_stay(split: str, digest: str):
    """Generated before there was `test2`."""
    rows = [[one.id, one.question, one.answer] for one in usual_problems(split)]
    assert hashlib.sha256(json.dumps(rows).encode()).hexdigest() == digest


def test_splits_share_no_question_at_any_seed():
    questions = {
        split: {p.question for seed in (0, 1) for p in generate_problems(split, 200, seed)}
        for split in PROBLEM_SPLITS
    }
    assert all(len(found) > 380 for found in questions.values())
    for one, found in questions.items():
        assert {bucket_of(question) for question in found} == {SPLITS[one].bucket}
        for other, others in questions.items():
            assert one == other or not found & others


def test_test2_has_none_of_the_questions_of_test_whichever_half_their_hash_puts_them_in():
    test = {problem.question for problem in usual_problems("test")}
    test2 = {problem.question for problem in generate_problems("test2", 500, seed=0)}
    assert len(test2) == 500
    assert not test & test2
    assert {half_of(question) for question in test} == {0}
    assert {half_of(question) for question in test2} == {1}
    more = {problem.question for problem in generate_problems("test", 2050, seed=0)}
    assert test < more
    assert {half_of(question) for question in more} == {0}


def test_the_test_split_is_generated_once_in_a_process(monkeypatch: pytest.MonkeyPatch):
    generator._test_stories.cache_clear()
    generator._test_questions.cache_clear()
    begun, draw = [], generator._draw_of_bucket
    monkeypatch.setattr(generator, "_draw_of_bucket", lambda *a: begun.append(a) or draw(*a))
    assert generate_problems("test", 2000) == generate_problems("test", 2000)
    assert half_of(next(draw_stories("test2", 0)).question) == 1
    assert [split for split, *_ in begun] == ["test", "test2"]


def test_questions_are_distinct_and_a_smaller_size_gives_the_first_ones():
    many = usual_problems("test")
    assert len({problem.question for problem in many}) == len(many) == 2000
    assert tuple(generate_problems("test", 100, seed=0)) == many[:100]


def test_another_seed_gives_other_problems_but_for_a_few_of_the_narrowest_kind():
    one, two = generate_problems("dev", 200, seed=0), generate_problems("dev", 200, seed=1)
    assert len({p.question for p in one} & {p.question for p in two}) <= 4


def test_an_unknown_split_is_named_with_those_there_are():
    with pytest.raises(UserError, match=r"'tests'.*pretrain, train, dev, test"):
        generate_problems("tests", 5)


def test_extra_paths_are_correct_and_differ_from_each_other_and_the_reference(
    stories: list[Story], check_path: Check
):
    for story in stories[:200]:
        extra = extra_paths(story, 8, seed=0)
        keys = [tuple(check_path(story.question, path)) for path in extra]
        assert len({*keys, equations(story.reference)}) == len(keys) + 1
        assert len(extra) == 8 or count_operations(story.tree) < 4
        assert extra_paths(story, 3, seed=0) == extra[:3]


def test_extra_paths_are_fewer_where_the_story_has_no_more(stories: list[Story]):
    single = [story for story in stories if count_operations(story.tree) == 1]
    assert all(len(extra_paths(story, 50, seed=0)) <= 1 for story in single[:50])
    assert extra_paths(single[0], 0, seed=0) == []


PROGRAM = """
import hashlib, sys
from rft_jax.wordproblems.generator import generate_problems
print(hashlib.sha256(repr(generate_problems("train", 200, 7)).encode()).hexdigest())
print(sorted({"jax", "numpy", "tensorflow", "tokenizers"} & set(sys.modules)))
"""


@pytest.mark.parametrize("hash_seed", ["0", "1234"])
def test_another_process_generates_the_same_problems_with_the_standard_library_alone(hash_seed):
    output = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={"PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\n")
    here = hashlib.sha256(repr(generate_problems("train", 200, 7)).encode()).hexdigest()
    assert output[:2] == [here, "[]"]
