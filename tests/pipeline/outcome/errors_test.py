"""Each error is one of the plan, of arithmetic, or no answer."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rft_jax.files.jsonl import write_rows
from rft_jax.pipeline.outcome.errors import KINDS, error_kind, error_shares, has_plan_of
from rft_jax.records import Problem, to_row
from rft_jax.wordproblems.generator import Story, generate_stories


@pytest.fixture(scope="module")
def stories() -> list[Story]:
    return [
        *generate_stories("dev", 40, seed=0),
        *generate_stories("dev-names", 40, seed=0),
    ]


def off_by(path: str, amount: int) -> str:
    """The path with its first result off by an amount, and that result used from there on."""
    match = re.search(r"=(\d+)>>", path)
    assert match
    wrong = str(int(match[1]) + amount)
    front, rest = path[: match.start()], path[match.end() :]
    body = re.sub(rf"\b{match[1]}\b", wrong, rest)
    return f"{front}={wrong}>>{body}"


def test_every_solution_of_the_generator_has_the_plan_of_its_tree(stories: list[Story]):
    for story in stories:
        assert has_plan_of(story.tree, story.reference)


def test_a_solution_with_an_incorrect_result_still_has_the_plan(stories: list[Story]):
    for story in stories:
        assert has_plan_of(story.tree, off_by(story.reference, 1000))


def test_another_tree_is_an_error_of_the_plan(stories: list[Story]):
    row = {"answers": ["12345"]}
    for story in stories:
        assert error_kind(story.tree, row, "<<12345+1=12346>>12346\n#### 12346") == "plan"
    assert not has_plan_of(stories[0].tree, "no equation\n#### 12345")


def test_a_program_has_no_error_of_arithmetic(stories: list[Story]):
    row = {"answers": ["12345"], "programs": ["wrong_answer"]}
    assert error_kind(stories[0].tree, row, stories[0].reference) == "plan"


def test_the_shares_of_an_evaluation_and_its_accuracy_add_up_to_one(
    tmp_path: Path, stories: list[Story]
):
    problems = [story.problem() for story in stories[:4]]
    write_rows(tmp_path / "problems.jsonl", map(to_row, problems))
    wrong = [off_by(problems[1].answer, 1000), "<<1+1=2>>2\n#### 2", "none"]
    _write_samples(tmp_path / "samples", problems, [problems[0].answer, *wrong])
    answers = ["1", "1000", "2", None]
    rows = [
        {"id": problem.id, "answers": [answer], "correct": [correct]}
        for problem, answer, correct in zip(problems, answers, [True] + [False] * 3, strict=True)
    ]
    write_rows(tmp_path / "predictions.jsonl", rows)
    shares = error_shares(tmp_path, tmp_path / "problems.jsonl")
    assert shares == dict.fromkeys(KINDS, 0.25)


def test_a_hybrid_answer_is_judged_by_the_response_that_gave_it(
    tmp_path: Path, stories: list[Story]
):
    problems = [story.problem() for story in stories[:2]]
    write_rows(tmp_path / "problems.jsonl", map(to_row, problems))
    _write_samples(tmp_path / "samples", problems, ["print(1)", "print("])
    _write_samples(tmp_path / "samples-text", problems[1:], [off_by(problems[1].answer, 1000)])
    rows = [
        {"id": one.id, "answers": ["1"], "correct": [False], "programs": [verdict]}
        for one, verdict in zip(problems, ["wrong_answer", "program_error"], strict=True)
    ]
    rows[1]["fell_back"] = [True]
    write_rows(tmp_path / "predictions.jsonl", rows)
    shares = error_shares(tmp_path, tmp_path / "problems.jsonl")
    assert shares == {"plan": 0.5, "arithmetic": 0.5, "no_answer": 0.0}


def _write_samples(folder: Path, problems: list[Problem], responses: list[str]) -> None:
    folder.mkdir()
    rows = [
        {"id": problem.id, "sample": 0, "model": "m", "seed": 0, "response": response}
        for problem, response in zip(problems, responses, strict=True)
    ]
    finished = ({**row, "tokens": [], "finish_reason": "stop"} for row in rows)
    write_rows(folder / "samples-00000-of-00001.jsonl", finished)
