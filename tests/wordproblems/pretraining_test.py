from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from itertools import islice

import pytest

from rft_jax.prompts import TEMPLATES
from rft_jax.wordproblems.expressions import count_operations
from rft_jax.wordproblems.generator import draw_stories
from rft_jax.wordproblems.pretraining import SHARES, WORKED_OPERATIONS, pretraining_rows
from rft_jax.wordproblems.splits import bucket_of
from rft_jax.wordproblems.vocabulary import count_tokens
from tests.wordproblems.usual import usual_problems

Row = dict[str, str]


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return list(pretraining_rows(seed=0, size=20000))


def kind_of(row: Row) -> str:
    if not row["query"]:
        return "unsolved"
    return "arithmetic" if row["query"].startswith("<<") else "worked"


def test_the_kinds_have_their_shares_of_the_tokens(rows: list[Row]):
    tokens: Counter[str] = Counter()
    for row in rows:
        tokens[kind_of(row)] += count_tokens(row["query"], row["response"])
    for kind, share in SHARES.items():
        assert tokens[kind] / tokens.total() == pytest.approx(share, abs=0.005)


def test_no_row_holds_a_train_dev_or_test_question(rows: list[Row]):
    text = "\n".join(row["query"] + row["response"] for row in rows)
    for split in ("train", "dev", "test"):
        for problem in usual_problems(split):
            assert problem.question not in text


def test_every_question_is_of_the_pretraining_split(rows: list[Row]):
    questions = [row["query"][:-1] for row in rows if kind_of(row) == "worked"]
    questions += [row["response"] for row in rows if kind_of(row) == "unsolved"]
    assert len(questions) > 3000
    assert {bucket_of(question) for question in questions} == {"pretrain"}


def test_worked_problems_have_at_most_three_operations_and_correct_solutions(
    rows: list[Row], check_path: Callable[[str, str], list[str]]
):
    worked = [row for row in rows if kind_of(row) == "worked"]
    stories = draw_stories("pretrain", 0, WORKED_OPERATIONS, stream="worked")
    operations = set()
    for row, story in zip(worked, islice(stories, len(worked)), strict=True):
        assert row["query"] == TEMPLATES["plain"].render(story.question)
        assert row["response"] == story.reference
        check_path(story.question, row["response"])
        operations.add(count_operations(story.tree))
    assert operations == {1, 2, 3}


def test_unsolved_problems_come_without_a_solution(rows: list[Row]):
    unsolved = [row["response"] for row in rows if kind_of(row) == "unsolved"]
    assert all(text.endswith("?") and "<<" not in text for text in unsolved)


def test_a_token_bound_ends_the_rows_just_behind_it():
    rows = list(pretraining_rows(seed=3, tokens=50_000))
    counts = [count_tokens(row["query"], row["response"]) for row in rows]
    assert sum(counts[:-1]) < 50_000 <= sum(counts)
    assert rows == list(pretraining_rows(seed=3, size=len(rows)))


def test_rows_are_generated_lazily_and_differ_by_seed():
    assert list(islice(pretraining_rows(seed=0), 50)) != list(islice(pretraining_rows(seed=1), 50))
    assert list(pretraining_rows(seed=0, size=0)) == []


def test_the_rows_are_those_that_the_packaged_model_was_pretrained_on(rows: list[Row]):
    # A change here means another pretraining text: pretrain the packaged model again.
    digest = hashlib.sha256(json.dumps(rows).encode()).hexdigest()
    assert digest == "29eb6881a5cd1ca0d0b40348399d5552e08e641f79fbdd59794300707c639bb6"
