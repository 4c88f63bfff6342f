from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from rft_jax.files.jsonl import write_rows
from rft_jax.records import VERDICTS, LedgerRow, Reason
from rft_jax.report.browser import example_html
from rft_jax.report.examples import choose_rows, explain_sample, mark, stage_examples
from rft_jax.report.report import ReportSettings, report
from rft_jax.report.runs import read_run
from rft_jax.rft.collect import collect
from rft_jax.rft.settings import CollectSettings


def _row(verdict: str, kept: bool = False, reason: Reason | None = None) -> LedgerRow:
    return LedgerRow("q", 0, "m", verdict, reason, None, "", kept)


def test_a_reason_is_shown_as_the_ledger_has_it() -> None:
    reason = Reason("answer", "answers 7, the reference is 18")
    assert (
        explain_sample(_row("wrong_answer", reason=reason), {}) == "answers 7, the reference is 18"
    )


@pytest.mark.parametrize("verdict", VERDICTS)
def test_every_verdict_is_explained_without_a_reason_too(verdict: str) -> None:
    assert explain_sample(_row(verdict, kept=verdict == "correct"), {}) == VERDICTS[verdict].words


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "but a kept path has the same equations"),
        ({"keep_unannotated": False}, "has the same equations or it has no equation"),
        ({"dedup": "exact_text"}, "but a kept path has the same text"),
        ({"remove_ngram": 13}, "the same equations or it shares words with the test problems"),
    ],
)
def test_why_a_correct_path_is_not_kept_depends_on_the_settings(
    settings: dict[str, Any], words: str
) -> None:
    assert words in explain_sample(_row("correct"), settings)


@pytest.mark.parametrize("has_solution", [True, False])
def test_samples_are_found_beside_a_collect_folder_from_wherever_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_solution: bool
) -> None:
    problems, samples = tmp_path / "problems.jsonl", tmp_path / "runs" / "drawn"
    solution = "It is <<1+1=2>>2.\n#### 2" if has_solution else "#### 2"
    write_rows(problems, [{"id": "q", "question": "1+1?", "answer": solution}])
    row = {"id": "q", "sample": 0, "model": "m", "seed": 0, "response": "so #### 2"}
    write_rows(samples / "samples-00000-of-00001.jsonl", [row])
    collected = tmp_path / "runs" / "collected"
    collect(str(problems), [str(samples)], str(collected), CollectSettings(workers=1))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    run = read_run("../runs/collected")
    (example,) = stage_examples(run, run.stages[0], {"correct": [_row("correct", kept=True)]})
    assert (example.state, example.pieces) == ("kept", (("so #### 2", ""),))
    # A final answer alone is not trained on, so the folder does not have it.
    assert (example.question, example.reference) == ("1+1?", "2" if has_solution else "")


def test_the_annotations_of_a_correct_sample_are_marked_and_no_text_is_lost() -> None:
    text = "A <<1+1=2>>2 and <<2+2=4>><<3+3=6>> end <<open"
    assert mark(text, _row("correct"), {}) == (
        ("A ", ""),
        ("<<1+1=2>>", "correct"),
        ("2 and ", ""),
        ("<<2+2=4>>", "correct"),
        ("<<3+3=6>>", "correct"),
        (" end <<open", ""),
    )
    assert mark(text, _row("correct"), {"equation_source": "text"}) == ((text, ""),)
    assert mark(text, _row("no_answer"), {}) == ((text, ""),)


@pytest.mark.parametrize(
    ("line", "pieces"),
    [
        (1, (("one\n", "incorrect"), ("two\n\nfour", ""))),
        (2, (("one\n", ""), ("two\n", "incorrect"), ("\nfour", ""))),
        (4, (("one\ntwo\n\n", ""), ("four", "incorrect"))),
        (9, (("one\ntwo\n\nfour", ""),)),  # beyond what is shown
        (None, (("one\ntwo\n\nfour", ""),)),
    ],
)
def test_the_line_at_fault_is_marked(line: int | None, pieces: tuple) -> None:
    row = _row("wrong_equation", reason=Reason("equation", "1+1=3 is incorrect", line))
    assert mark("one\ntwo\n\nfour", row, {}) == pieces


def test_a_program_is_marked_by_its_syntax_and_the_line_of_its_error() -> None:
    program = "x = 1\nprint(y)\nprint('a')"
    row = _row("program_error", reason=Reason("name", "name 'y' is not defined", 2))
    assert mark(program, row, {}, "program") == (
        ("x = ", ""),
        ("1", "number"),
        ("\n", ""),
        ("print(y)\n", "incorrect"),
        ("print(", ""),
        ("'a'", "string"),
        (")", ""),
    )
    assert mark("<<1+1=2>>", _row("correct"), {}, "program")[0] != ("<<1+1=2>>", "correct")


@pytest.mark.parametrize(
    ("row", "settings", "words"),
    [
        (_row("correct", kept=True), {}, "its program prints the reference's answer"),
        (_row("correct"), {"dedup": "program"}, "but a kept path has the same program"),
        (_row("correct"), {"dedup": "trace"}, "but a kept path has the same operations"),
        (
            _row("correct", reason=Reason("rounding", "prints 0.30000000000000004")),
            {},
            "prints 0.30000000000000004, but a kept path has the same equations",
        ),
    ],
)
def test_a_correct_program_is_explained_by_what_it_prints(
    row: LedgerRow, settings: dict[str, Any], words: str
) -> None:
    assert words in explain_sample(row, settings, "program")


@pytest.mark.parametrize("answers", ["program", "first"])
def test_an_example_of_a_program_has_its_output(tmp_path: Path, answers: str) -> None:
    problems, samples = tmp_path / "problems.jsonl", tmp_path / "drawn"
    write_rows(problems, [{"id": "q", "question": "1+1?", "answer": "#### 2"}])
    row = {"id": "q", "sample": 0, "model": "m", "response": "print(3 - 1)", "form": "program"}
    if answers == "program":
        del row["form"]
    write_rows(samples / "samples-0.jsonl", [row])
    settings = CollectSettings(answers=answers, workers=1)
    collect(str(problems), [str(samples)], str(tmp_path / "collected"), settings)
    run = read_run(str(tmp_path / "collected"))
    (example,) = stage_examples(run, run.stages[0], choose_rows(tmp_path / "collected", 5, 0))
    assert (example.output, example.state) == ("2", "kept")
    assert ("3", "number") in example.pieces
    assert "Output: 2" in example_html(example)


def _rows(n: int) -> list[dict]:
    return [
        {
            "id": f"q{i // 4}",
            "sample": i % 4,
            "model": "m",
            "verdict": verdict,
            "key": "",
            "kept": False,
        }
        for i in range(n)
        for verdict in ["correct" if i % 3 else "no_answer"]
    ]


def test_rows_are_drawn_by_seed_and_not_by_their_order(tmp_path: Path) -> None:
    rows = _rows(400)
    write_rows(tmp_path / "a/ledger.jsonl", rows)
    random.Random(0).shuffle(rows)
    write_rows(tmp_path / "b/ledger.jsonl", rows)
    first = choose_rows(tmp_path / "a", 10, seed=1)
    assert first == choose_rows(tmp_path / "b", 10, seed=1)
    assert first != choose_rows(tmp_path / "a", 10, seed=2)
    assert {verdict: len(drawn) for verdict, drawn in first.items()} == {
        "correct": 10,
        "no_answer": 10,
    }


def test_a_smaller_draw_is_the_beginning_of_a_larger_one(tmp_path: Path) -> None:
    write_rows(tmp_path / "ledger.jsonl", _rows(200))
    few, many = (choose_rows(tmp_path, n, seed=0)["correct"] for n in (5, 50))
    assert many[:5] == few


def test_every_sample_is_as_likely_to_be_drawn(tmp_path: Path) -> None:
    write_rows(tmp_path / "ledger.jsonl", _rows(40))
    counts: dict[tuple[str, int], int] = {}
    for seed in range(400):
        for row in choose_rows(tmp_path, 2, seed)["no_answer"]:
            counts[row.id, row.sample] = counts.get((row.id, row.sample), 0) + 1
    assert len(counts) == 14
    assert all(30 < count < 90 for count in counts.values())  # 800 draws / 14 = 57 expected


def test_none_are_drawn_for_a_number_of_zero(tmp_path: Path) -> None:
    assert choose_rows(tmp_path, 0, seed=0) == {}


def test_samples_of_another_program_are_shown_too(tmp_path: Path) -> None:
    questions = {"a": "What is 1 + 1?", "b": "What is 2 + 2?"}
    problems = [
        {"id": name, "question": text, "answer": f"It is clear, of course.\n#### {2 * n}"}
        for n, (name, text) in enumerate(questions.items(), start=1)
    ]
    write_rows(tmp_path / "p.jsonl", problems)
    rows = [{"prompt": f"Q: {q}\nA:", "outputs": ["So #### 2", "No."]} for q in questions.values()]
    write_rows(tmp_path / "vllm.jsonl", rows)
    collect(
        str(tmp_path / "p.jsonl"),
        [str(tmp_path / "vllm.jsonl")],
        str(tmp_path / "c"),
        CollectSettings(workers=1),
    )
    report([str(tmp_path / "c")], str(tmp_path / "r"), ReportSettings())
    page = (tmp_path / "r" / "index.html").read_text()
    assert "So #### 2" in page and "What is 2 + 2?" in page
