from __future__ import annotations

import json
from pathlib import Path

import pytest

from rft_jax.errors import Mistakes, UserError
from rft_jax.files.jsonl import write_rows
from rft_jax.records import Problem, is_only_answer, question_digest, read_problems


def test_a_problem_without_an_id_gets_one_from_its_question(tmp_path: Path) -> None:
    rows = [
        {"question": "a?", "answer": "1"},
        {"query": "a?", "response": "2", "more": [1]},
        {"id": "mine", "question": "a?", "answer": "3"},
        {"question": "a?", "answer": "4"},
        {"id": "code", "question": "a?", "answer": "print(5)", "form": "program"},
    ]
    write_rows(tmp_path / "some.x.jsonl", rows)
    base = f"some/{question_digest('a?')}"
    assert read_problems(tmp_path / "some.x.jsonl") == [
        Problem(base, "a?", "1"),
        Problem(f"{base}-2", "a?", "2"),
        Problem("mine", "a?", "3"),
        Problem(f"{base}-3", "a?", "4"),
        Problem("code", "a?", "print(5)", "program"),
    ]
    assert read_problems(tmp_path / "some.x.jsonl", prefix="p")[0].id.startswith("p/")


@pytest.mark.parametrize("name", ["MathInstruct.json", "MathInstruct.jsonl", "m.json.gz"])
def test_rows_of_mathinstruct_have_the_form_of_their_source(tmp_path: Path, name: str) -> None:
    rows = [
        {"source": "data/CoT/gsm_train.json", "instruction": "a?", "output": "The answer is 5"},
        {"source": "data/PoT/gsm_gpt4.json", "instruction": "a?", "output": "print(5)"},
        {"source": "data/other.json", "instruction": "b?", "output": "6"},
        {"source": 7, "instruction": "c?", "output": "7", "form": "program"},
    ]
    if name.endswith(".json"):
        (tmp_path / name).write_text(json.dumps(rows, indent=4))
    else:
        write_rows(tmp_path / name, rows)
    problems = read_problems(tmp_path / name)
    assert [(problem.question, problem.answer, problem.form) for problem in problems] == [
        ("a?", "The answer is 5", "text"),
        ("a?", "print(5)", "program"),
        ("b?", "6", "text"),
        ("c?", "7", "program"),
    ]
    assert len({problem.id for problem in problems}) == 4


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "has no problem"),
        ([{"question": "a?"}], r":1: no solution and no answer in the columns 'question'; rename"),
        (
            [{"answer": "1"}],
            r":1: no question in the columns 'answer'; rename .*--columns question=",
        ),
        (
            [{"question": "a?", "answer": True}],
            r":1: answer is True; a string or a finite number is",
        ),
        ([{"question": 5, "answer": "1"}], r":1: question is 5; a string is needed"),
        ([{"question": " \n", "answer": "1"}], r":1: the question is empty; write it, or remove"),
        ([{"question": "a?", "answer": ""}], r":1: the answer is empty; write it, or remove"),
        ([{"id": "", "question": "a?", "answer": "1"}], r":1: id is ''; a non-empty string"),
        ([{"id": 7.5, "question": "a?", "answer": "1"}], r":1: id is 7.5; a non-empty string"),
        (
            [{"question": "a?", "answer": "1", "form": "code"}],
            r":1: form is 'code'; there are",
        ),
        ([{"id": "p", "question": "a?", "answer": "1"}] * 2, r":2: id 'p' is already in line 1"),
    ],
)
def test_a_bad_problem_is_named_by_file_and_line(
    tmp_path: Path, rows: list[dict], message: str
) -> None:
    write_rows(tmp_path / "p.jsonl", rows)
    with pytest.raises(UserError, match=rf"p\.jsonl.*{message}"):
        read_problems(tmp_path / "p.jsonl")


def test_all_mistakes_of_a_file_are_reported_at_once(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text('{"question": "a?"}\n{oops\n\n{"question": 5, "answer": 1}\n' + "[]\n" * 30)
    with pytest.raises(Mistakes) as error:
        read_problems(path)
    head, *lines = error.value.lines()
    assert head == f"{path}: 33 mistakes" and lines[-1] == "… and 23 more"
    assert [line.partition(": ")[0] for line in lines[:4]] == [f"{path}:{n}" for n in (1, 2, 4, 5)]


@pytest.mark.parametrize(
    "text",
    [
        *("62", " 62\n", "3 1/2", "Ann", "#### 62", "\n#### 1,000"),
        r"\boxed{5}",
        r"$\boxed{\frac12}$.",
    ],
)
def test_a_final_answer_alone_is_not_a_solution(text: str) -> None:
    assert is_only_answer(text)


@pytest.mark.parametrize(
    "text",
    [
        *("b\n#### 1", "<<1+1=2>>2\n#### 2", r"It is \boxed{4}.", "1 + 1 = 2"),
        *("12+12=24", "(10/3)+1=4.33", "<21+21=42", "{3*4=12}12+12={2+2+0=4}24"),
        "Ann has 62 of them",
        "So it is\n62",
    ],
)
def test_a_text_that_leads_to_the_answer_is_a_solution(text: str) -> None:
    assert not is_only_answer(text)


def test_a_row_whose_form_is_null_is_a_text(tmp_path: Path) -> None:
    row = {"id": "p", "question": "a?", "answer": "1", "form": None}
    write_rows(tmp_path / "p.jsonl", [row])
    assert read_problems(tmp_path / "p.jsonl") == [Problem("p", "a?", "1")]
