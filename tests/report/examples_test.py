from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rft_jax.files.jsonl import write_rows
from rft_jax.records import LedgerRow
from rft_jax.report.examples import cut_at_equations, explain, read_examples
from rft_jax.report.runs import read_run
from rft_jax.rft.collect import collect
from rft_jax.rft.settings import CollectSettings
from rft_jax.verify.equations import EquationChecker

CHECKER = EquationChecker("paper")


def _row(verdict: str, kept: bool = False) -> LedgerRow:
    return LedgerRow("q", 0, "m", verdict, "", kept)


@pytest.mark.parametrize(
    ("verdict", "response", "says"),
    [
        ("wrong_answer", "#### 7", "answers 7, the reference is 18"),
        ("wrong_equation", "<<48/2=25>> #### 18", "48/2=25 is wrong (48/2 is 24)"),
        ("malformed_equation", "<<x+=>> #### 18", "'x+=' is no equation of numbers"),
        ("no_answer", "well", "gives no answer"),
        ("truncated", "and", "stopped by its length before it gave an answer"),
        ("timeout", "####", "checking it took longer than is allowed"),
        ("correct", "#### 18", "a kept path has the same equations"),
    ],
)
def test_every_verdict_has_its_reason_in_words(verdict: str, response: str, says: str) -> None:
    assert says in explain(_row(verdict), response, "18", {}, CHECKER)


def test_a_kept_path_says_so() -> None:
    said = explain(_row("correct", kept=True), "#### 18", "18", {}, CHECKER)
    assert said == "the answer and all equations are right"


@pytest.mark.parametrize(
    ("made_with", "says"),
    [
        ({"keep_unannotated": False}, "but it has no equation"),
        ({"dedup": "exact_text"}, "but a kept path has the same text"),
        ({"remove_ngram": 13}, "the same equations, or it shares words with the test problems"),
    ],
)
def test_why_a_right_path_is_not_kept_is_told_by_the_settings(
    made_with: dict[str, Any], says: str
) -> None:
    assert says in explain(_row("correct"), "#### 18", "18", made_with, CHECKER)


def test_equations_in_running_text_are_explained_where_they_counted() -> None:
    said = explain(
        _row("wrong_equation"), "48/2 = 25\n#### 18", "18", {"equation_source": "text"}, CHECKER
    )
    assert said == "48/2=25 is wrong (48/2 is 24)"


def test_samples_are_found_beside_a_collect_folder_from_wherever_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    problems, samples = tmp_path / "problems.jsonl", tmp_path / "runs" / "drawn"
    write_rows(problems, [{"id": "q", "question": "1+1?", "answer": "#### 2"}])
    row = {"id": "q", "sample": 0, "model": "m", "seed": 0, "response": "so #### 2"}
    write_rows(samples / "samples-00000-of-00001.jsonl", [row])
    collected = tmp_path / "runs" / "collected"
    collect(str(problems), [str(samples)], str(collected), CollectSettings(workers=1))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    run = read_run("../runs/collected")
    (example,) = read_examples(run, run.stages[0], {"correct": [_row("correct", kept=True)]})
    assert (example.state, example.pieces) == ("kept", (("so #### 2", ""),))


def test_a_text_is_cut_at_its_equations_and_nothing_is_lost() -> None:
    text = "A <<1+1=2>>2 and <<1+1=3>>3, <<?>> <<1+1=2>> end <<open"
    pieces = cut_at_equations(text, CHECKER)
    assert "".join(piece for piece, _ in pieces) == text
    marked = [(piece, kind) for piece, kind in pieces if kind]
    assert marked == [
        ("<<1+1=2>>", "right"),
        ("<<1+1=3>>", "wrong"),
        ("<<?>>", "wrong"),
        ("<<1+1=2>>", "right"),
    ]


def test_a_bomb_of_an_equation_explains_nothing_and_ends() -> None:
    said = explain(_row("wrong_equation"), "<<9**9**9**9=1>> #### 18", "18", {}, CHECKER)
    assert said.startswith("9**9**9**9=1 is wrong") or "equation" in said
