from __future__ import annotations

from pathlib import Path

import pytest

from rft_jax.data.sources import load_problems, problems_identity
from rft_jax.errors import UserError
from rft_jax.files.jsonl import write_rows
from rft_jax.records import question_digest


def test_problems_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    write_rows(
        path, [{"question": "a?", "answer": "#### 1"}, {"query": "b?", "response": "#### 2"}]
    )
    problems = load_problems(str(path))
    assert [(p.question, p.answer) for p in problems] == [("a?", "#### 1"), ("b?", "#### 2")]
    assert problems[0].id == f"mine/{question_digest('a?')}"


def test_gsm8k_is_read_from_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"question": "a?", "answer": "#### 1"}
    write_rows(tmp_path / "test.jsonl", [row, row])
    monkeypatch.setenv("GSM8K_DIR", str(tmp_path))
    first, second = load_problems("gsm8k:test")
    assert first.id == f"gsm8k-test/{question_digest('a?')}" and second.id == f"{first.id}-2"
    with pytest.raises(UserError, match=r"train\.jsonl: no such file"):
        load_problems("gsm8k:train")
    with pytest.raises(UserError, match="there are gsm8k:train and gsm8k:test"):
        load_problems("gsm8k:dev")


def test_gsm8k_is_another_input_when_its_file_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GSM8K_DIR", raising=False)
    assert problems_identity("gsm8k:test") == "gsm8k:test"
    monkeypatch.setenv("GSM8K_DIR", str(tmp_path))
    seen = {problems_identity("gsm8k:test")}
    for answer in ("#### 1", "#### 2"):
        write_rows(tmp_path / "test.jsonl", [{"question": "a?", "answer": answer}])
        seen.add(problems_identity("gsm8k:test"))
    assert len(seen) == 3
    assert all(one.startswith("gsm8k:test") for one in seen)
    assert problems_identity("wordproblems:test") == "wordproblems:test"
    assert problems_identity(str(tmp_path / "test.jsonl")).startswith("test.jsonl ")


def test_the_embedded_problems_are_read_by_name() -> None:
    problems = load_problems("wordproblems:dev")
    assert len(problems) == 500 == len({problem.id for problem in problems})
    with pytest.raises(UserError, match="there are train, dev, test"):
        load_problems("wordproblems:validation")


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(UserError, match="no such file, and no data set of that name"):
        load_problems("math:train")
    with pytest.raises(UserError, match="no such file"):
        load_problems("missing.jsonl")


def test_a_file_whose_name_looks_like_a_set_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_rows("gsm8k:mine", [{"question": "a?", "answer": "#### 1"}])
    assert [problem.question for problem in load_problems("gsm8k:mine")] == ["a?"]
