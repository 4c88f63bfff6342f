"""Training examples: pairs of a file or a named set, in order, and readable by any tokenizer."""

from __future__ import annotations

from pathlib import Path

import pytest

from rft_jax.data.preprocess import training_examples
from rft_jax.data.sources import load_problems
from rft_jax.errors import UserError
from rft_jax.files.jsonl import write_rows


def test_examples_of_a_file_are_pairs_in_its_order(tmp_path: Path) -> None:
    path = tmp_path / "paths.jsonl.gz"
    rows = [
        {"id": "p", "query": "a?", "response": "1", "origin": "human", "models": []},
        {"id": "p", "query": "a?", "response": "2", "origin": "sampled", "models": ["m"]},
        {"question": "b?", "answer": "Two and one.\n#### 3"},
    ]
    write_rows(path, rows)
    solved = ("b?", "Two and one.\n#### 3")
    assert list(training_examples(str(path))) == [("a?", "1"), ("a?", "2"), solved]


def test_problems_with_only_an_answer_are_left_out_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = str(tmp_path / "problems.jsonl")
    bare = [{"question": "a?", "answer": text} for text in ("62", "#### 62", r"$\boxed{62}$")]
    write_rows(path, [*bare, {"question": "b?", "answer": r"1 + 2 is \boxed{3}"}])
    assert list(training_examples(path)) == [("b?", r"1 + 2 is \boxed{3}")]
    assert "3 of 4 problems have only an answer, no solution, and are left out" in caplog.text
    write_rows(path, bare)
    with pytest.raises(UserError, match=r"3 problems, all with only an answer.*(rft collect)"):
        list(training_examples(path))


def test_a_problem_with_an_empty_question_or_answer_is_refused_and_an_empty_query_is_not(
    tmp_path: Path,
) -> None:
    path = str(tmp_path / "problems.jsonl")
    write_rows(path, [{"query": "", "response": "text"}, {"query": "a?", "output": ""}])
    assert list(training_examples(path)) == [("", "text"), ("a?", "")]
    solved = {"question": "b?", "answer": "1 + 2 is 3.\n#### 3"}
    write_rows(path, [solved, solved | {"question": " "}, solved | {"answer": ""}])
    for read in (load_problems, lambda name: list(training_examples(name))):
        with pytest.raises(UserError) as raised:
            read(path)
        assert f"{path}:2: the question is empty; write it" in str(raised.value)
        assert f"{path}:3: the answer is empty; write it" in str(raised.value)


def test_examples_of_a_file_of_expressions_are_its_problems(tmp_path: Path) -> None:
    (tmp_path / "test.txt").write_text("1+2*3=\n4/2=\n")
    assert list(training_examples(str(tmp_path / "test.txt"))) == [("1+2*3=", "7"), ("4/2=", "2")]


def test_examples_of_a_named_set_are_its_problems() -> None:
    problems = load_problems("wordproblems:dev")
    examples = list(training_examples("wordproblems:dev"))
    assert examples == [(problem.question, problem.answer) for problem in problems]


def test_the_question_of_a_program_has_the_cue_unless_it_asks_for_one_itself(
    tmp_path: Path,
) -> None:
    path = tmp_path / "mixed.jsonl"
    rows = [
        {"query": "a?", "response": "print(1)", "form": "program"},
        {"query": "a?", "response": "1", "form": "text"},
        {"instruction": "a? Let's write a Python program.", "output": "2", "source": "data/PoT/x"},
        {"instruction": "b?", "output": "3", "source": "data/PoT/y.json"},
        {"instruction": "b?", "output": "4", "source": "data/CoT/y.json"},
    ]
    write_rows(path, rows)
    assert list(training_examples(str(path))) == [
        ("a? Let's write a program.", "print(1)"),
        ("a?", "1"),
        ("a? Let's write a Python program.", "2"),
        ("b? Let's write a program.", "3"),
        ("b?", "4"),
    ]


def test_lone_surrogates_are_replaced(tmp_path: Path) -> None:
    path = tmp_path / "paths.jsonl"
    path.write_text('{"query": "a\\ud800?", "response": "\\ud83d\\ude00\\udfff"}\n')
    assert list(training_examples(str(path))) == [("a\ufffd?", "\U0001f600\ufffd")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"query": "a?"}\n', r"paths\.jsonl:1: no solution and no answer in the columns 'query'"),
        ('{"query": 5, "response": "b"}\n', r"paths\.jsonl:1: query is 5; a string"),
        ('{"query": "a", "response": "b", "form": "x"}\n', r"paths\.jsonl:1: form is 'x'"),
        ('{"query": "a?", "response": "b"}\n{"query', r"paths\.jsonl:2: not JSON"),
        ("", r"paths\.jsonl: holds no example"),
    ],
)
def test_a_bad_training_file_is_named_by_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "paths.jsonl"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        list(training_examples(str(path)))
