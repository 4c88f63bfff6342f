from __future__ import annotations

import hashlib
import json
from collections import Counter

import pytest

from rft_jax.prompts import PROGRAM_CUE
from rft_jax.verify.programs.run import evaluate_program
from rft_jax.wordproblems.generator import generate_problems
from rft_jax.wordproblems.mixed_pretraining import BETWEEN, SHARES, mixed_pretraining_rows
from rft_jax.wordproblems.mixed_vocabulary import count_tokens
from rft_jax.wordproblems.splits import bucket_of

Row = dict[str, str]


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return list(mixed_pretraining_rows(seed=0, size=12_000))


def kind_of(row: Row) -> str:
    if not row["query"]:
        return "unsolved"
    if row["query"].startswith("<<"):
        return "arithmetic"
    form = "program" if "print(" in row["response"] else "text"
    if BETWEEN in row["query"]:
        return f"{form}_pairs"
    return "programs" if form == "program" else form


def questions_of(row: Row) -> list[str]:
    if kind_of(row) == "arithmetic":
        return []
    texts = row["query"].split(BETWEEN) if row["query"] else [row["response"]]
    return [text[: text.index("?") + 1] for text in texts]


def test_the_kinds_have_their_shares_and_half_is_text_half_programs(rows: list[Row]):
    tokens: Counter[str] = Counter()
    for row in rows:
        tokens[kind_of(row)] += count_tokens(row["query"], row["response"])
    for kind, share in SHARES.items():
        assert tokens[kind] / tokens.total() == pytest.approx(share, abs=0.005)
    programs = SHARES["programs"] + SHARES["program_pairs"]
    text = SHARES["arithmetic"] + SHARES["text"] + SHARES["text_pairs"]
    assert programs == pytest.approx(text)


def test_every_question_is_of_the_pretraining_split(rows: list[Row]):
    questions = [question for row in rows for question in questions_of(row)]
    assert len(questions) > 4000
    assert {bucket_of(question) for question in questions} == {"pretrain"}


def test_no_row_holds_a_question_of_another_split(rows: list[Row]):
    text = "\n".join(row["query"] + row["response"] for row in rows)
    for split in ("train", "dev", "test", "test-large", "train-names", "test-names"):
        for problem in generate_problems(split, 500, seed=0):
            assert problem.question not in text


def test_programs_come_with_the_cue_but_for_some_pairs_and_run(rows: list[Row]):
    cues: Counter[tuple[str, int]] = Counter()
    for row in rows:
        kind = kind_of(row)
        cues[kind, row["query"].count(PROGRAM_CUE)] += 1
        if kind.startswith("program"):
            assert not evaluate_program(row["response"]).error, row
    assert {kind for kind, n in cues if n == 0} == {*SHARES} - {"programs"}
    assert {n for kind, n in cues if kind == "program_pairs"} == {0, 1, 2}
    assert {n for kind, n in cues if kind == "programs"} == {1}


def test_numbers_are_ordinary_or_up_to_9999_and_some_answers_are_names(rows: list[Row]):
    text = [row for row in rows if kind_of(row) == "text"]
    answers = [row["response"].rpartition("#### ")[2] for row in text]
    named = sum(not answer.isdigit() for answer in answers)
    large = sum(answer.isdigit() and int(answer) > 99 for answer in answers)
    assert named / len(answers) == pytest.approx(0.2, abs=0.05)
    assert large / len(answers) == pytest.approx(0.2, abs=0.05)
    assert all(int(answer) <= 9999 for answer in answers if answer.isdigit())


def test_a_token_bound_ends_the_rows_just_behind_it():
    rows = list(mixed_pretraining_rows(seed=3, tokens=20_000))
    counts = [count_tokens(row["query"], row["response"]) for row in rows]
    assert sum(counts[:-1]) < 20_000 <= sum(counts)
    assert rows == list(mixed_pretraining_rows(seed=3, size=len(rows)))


def test_the_rows_are_those_that_the_packaged_model_was_pretrained_on(rows: list[Row]):
    # A change here means another pretraining text: pretrain the packaged model again.
    digest = hashlib.sha256(json.dumps(rows).encode()).hexdigest()
    assert digest == "93f7e4ac9f71009e1635941f72d6c5ea81af0826a89d9c5a3c2f9c80edc498c0"
