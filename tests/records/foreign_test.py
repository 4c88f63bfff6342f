"""Samples files as other programs write them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rft_jax.errors import Mistakes, UserError
from rft_jax.files.parquet import write_parquet
from rft_jax.records import Problem, Sample
from rft_jax.records.foreign import check_format, read_any_samples
from rft_jax.records.sample_formats import SAMPLE_FORMATS, format_of
from tests.records.references_test import json_values

ANN, BOB = "Ann has 3 apples and buys 2. How many?", "Bob loses 1 of\n 4 pens. How many are left?"
PROBLEMS = [Problem("1", ANN, "5"), Problem("b", BOB, "3")]


def _batch(name: str, *texts: str, **fields: Any) -> dict:
    choices = [
        {"index": index, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        for index, text in enumerate(texts)
    ]
    body = {"object": "chat.completion", "model": "owner/m", "choices": choices[::-1]}
    row = {"id": "x", "custom_id": name, "response": {"status_code": 200, "body": body}}
    return {**row, "error": None, **fields}


def _logged(doc: dict, prompt: Any, text: str, view: str = "strict-match") -> dict:
    return {"doc_id": 0, "doc": doc, "arguments": prompt, "resps": [[text]], "filter": view}


@pytest.mark.parametrize(
    "prompt", ["[1, 2] has how many?", "[1, 2]", '["a"]', "{1", "{}", "[" * 9999]
)
def test_a_logged_prompt_that_starts_with_a_bracket_is_a_text(prompt: str) -> None:
    for arguments in ([[prompt, {"until": []}]], {"gen_args_0": {"arg_0": prompt, "arg_1": {}}}):
        row = _logged({"idx": 3}, arguments, "5")
        assert SAMPLE_FORMATS["lm_eval"](row, "file:1").prompt == prompt


SHOTS = f"Question: {ANN}\nAnswer: 5\n\nQuestion: {BOB}\nAnswer:"
CASES: dict[str, tuple[str, list[dict]]] = {
    "columns": (
        "columns",
        [
            {"prompt": f"Q: {ANN}\nA:", "outputs": ["A5", "A6"], "finish_reason": "length"},
            {"prompt": f"Q: {BOB}\nA:", "outputs": [{"text": "B3", "finish_reason": "length"}]},
        ],
    ),
    "messages": (
        "columns",
        [
            {
                "messages": [
                    {"role": "user", "content": question},
                    {"role": "assistant", "content": text},
                ],
                "finish_reason": "length",
            }
            for question, text in ((ANN, "A5"), (BOB, "B3"), (ANN, "A6"))
        ],
    ),
    "nemo_skills": (
        "columns",
        [
            {"problem": question, "expected_answer": "5", "generation": text, "id": "other"}
            for question, text in ((ANN, "A5"), (ANN, "A6"), (BOB, "B3"))
        ],
    ),
    "vllm": (
        "vllm",
        [
            _batch("1#0", "A5"),
            _batch("b", "B3"),
            _batch("1#1", "A6"),
            _batch("b", error={"code": "x"}),
        ],
    ),
    "openai": (
        "openai",
        [
            {**_batch("", "A5", "A6")["response"]["body"], "prompt": ANN},
            {
                "object": "response",
                "model": "owner/m",
                "status": "incomplete",
                "metadata": {"id": "b"},
                "output": [
                    {"type": "reasoning"},
                    {"type": "message", "content": [{"type": "output_text", "text": "B3"}]},
                ],
            },
        ],
    ),
    "lm_eval": (
        "lm_eval",
        [
            _logged({"question": ANN}, {}, "A5"),
            _logged({}, {"gen_args_0": {"arg_0": SHOTS, "arg_1": {}}}, "B3"),
            _logged({"question": ANN}, [[f"Question: {ANN}\nAnswer:", {}]], "A6"),
            _logged({"question": ANN}, {}, "A5", "flexible-extract"),
        ],
    ),
}


def _write(path: Path, rows: Sequence[dict]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def _read(path: Path, **options: Any) -> list[Sample]:
    return [sample for _, sample in read_any_samples(PROBLEMS, path, **options)]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("named", [True, False])
def test_a_format_is_read_by_name_and_by_looking(tmp_path: Path, name: str, named: bool) -> None:
    form, rows = CASES[name]
    assert {format_of(row) for row in rows} == {form}
    found = _read(_write(tmp_path / "mine.jsonl", rows), **({"named": form} if named else {}))
    texts = sorted((one.id, one.sample, one.response) for one in found)
    assert texts == [("1", 0, "A5"), ("1", 1, "A6"), ("b", 0, "B3")]
    has_model = form in ("vllm", "openai")
    assert {one.model for one in found} == {"owner/m" if has_model else "mine"}


def test_what_was_cut_off_is_known_as_truncated(tmp_path: Path) -> None:
    for name, cut in (("columns", 3), ("messages", 3), ("openai", 1), ("vllm", 0)):
        found = _read(_write(tmp_path / f"{name}.jsonl", CASES[name][1]))
        assert sum(one.finish_reason == "length" for one in found) == cut


def test_the_files_of_a_folder_are_numbered_together_and_named_by_it(tmp_path: Path) -> None:
    for seed in range(3):
        _write(tmp_path / f"output-rs{seed}.jsonl", CASES["nemo_skills"][1][1:])
    found = _read(tmp_path)
    assert sorted((one.id, one.sample) for one in found) == [(n, i) for n in "1b" for i in range(3)]
    one = _read(tmp_path / "output-rs0.jsonl")
    assert {sample.model for sample in (*found, *one)} == {tmp_path.name}


@pytest.mark.parametrize("named", ["", "rft", "columns"])
def test_parquet_with_numbers_as_ids(tmp_path: Path, named: str) -> None:
    rows = [{"id": 1, "sample": 4, "response": "A5"}, {"id": 1, "sample": 5, "response": "A6"}]
    write_parquet(tmp_path / "s.parquet", rows)
    found = _read(tmp_path / "s.parquet", named=named)
    assert [(one.id, one.sample, one.response) for one in found] == [("1", 4, "A5"), ("1", 5, "A6")]


def test_a_prompt_may_have_examples_that_change(tmp_path: Path) -> None:
    shots = [f"Question: {n} and {n}?\nAnswer: {2 * n}\n\n" for n in range(20)]
    questions = [ANN, BOB] * 10
    rows = [
        {"prompt": f"{shot}Question: {question}\nAnswer:", "output": str(n)}
        for n, (shot, question) in enumerate(zip(shots, questions, strict=True))
    ]
    found = _read(_write(tmp_path / "s.jsonl", rows))
    assert [one.id for one in found] == ["1", "b"] * 10


def test_prompts_of_other_problems_do_not_hide_those_that_follow(tmp_path: Path) -> None:
    prompts = [f"Question: other {n}?\nAnswer:" for n in range(40)] + [
        f"Question: {question}\nAnswer:" for question in (ANN, BOB)
    ]
    rows = [{"prompt": prompt, "output": "5"} for prompt in prompts]
    path = _write(tmp_path / "s.jsonl", rows)
    found = [one.id for _, one in read_any_samples(PROBLEMS, path, skips_others=True)]
    assert found == ["1", "b"]


def test_of_several_questions_in_a_prompt_the_last_and_longest_is_found(tmp_path: Path) -> None:
    short, long = "How many?", "Tom has 7. How many?"
    problems = [Problem("s", short, "5"), Problem("l", long, "7"), Problem("a", ANN, "5")]
    rows = [
        {"prompt": f"Q: {ANN}\nA: 5\n\nQ: {q}\nA:", "output": "5"} for q in (long, "x " + short)
    ]
    path = _write(tmp_path / "s.jsonl", rows)
    assert [one.id for _, one in read_any_samples(problems, path)] == ["l", "s"]


def test_all_mistakes_are_reported_at_once(tmp_path: Path) -> None:
    rows = [
        {"question": ANN, "outputs": ["A5", 5]},
        {"question": "Who?", "outputs": ["x"]},
        {"outputs": ["x"]},
        {"question": ANN, "outputs": ["A5"]},
        {"question": ANN},
    ]
    path = _write(tmp_path / "s.jsonl", rows)
    with pytest.raises(Mistakes) as error:
        _read(path)
    assert error.value.lines() == [
        f"{path}: 4 mistakes",
        f"{path}:1: outputs is 5; a string is needed",
        f"{path}:2: no problem has the question 'Who?'; name the problems that were sampled, or "
        "remove the line",
        f"{path}:3: neither an id nor a question; add the question, or the problem's id "
        "('custom_id' of a batch), or say which column has it: --columns question=NAME",
        f"{path}:5: no response in the columns 'question'; rename the one that has it to "
        "'response', or say which it is: --columns response=NAME",
    ]
    assert len(_read(_write(tmp_path / "t.jsonl", rows[1:2] + rows[3:4]), skips_others=True)) == 1


@pytest.mark.parametrize(
    ("named", "real"), [("nemo_skills", "vllm"), ("lm_eval", "columns"), ("vllm", "lm_eval")]
)
def test_rows_of_another_format_than_the_named_one_name_theirs(
    tmp_path: Path, named: str, real: str
) -> None:
    path = _write(tmp_path / "s.jsonl", CASES[real][1])
    with pytest.raises(UserError, match=f"; the row looks like --samples_format {real}$"):
        _read(path, named=named)


def test_a_negative_index_is_refused(tmp_path: Path) -> None:
    path = _write(tmp_path / "s.jsonl", [{"id": "1", "sample": -1, "response": "A5"}])
    for name in ("rft", "columns"):
        with pytest.raises(UserError, match=r":1: sample is -1; a number from 0 on is needed"):
            _read(path, named=name)


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(UserError, match="--samples_format csv: one of rft, columns, nemo_skills"):
        check_format("csv")


keys = st.sampled_from(
    ["id", "custom_id", "response", "body", "choices", "message", "content", "output", "doc",
     "resps", "arguments", "messages", "prompt", "outputs", "error", "metadata", "index"]
)  # fmt: skip
bodies = st.recursive(json_values, lambda inner: st.dictionaries(keys, inner), max_leaves=8)


@pytest.mark.parametrize("form", SAMPLE_FORMATS)
@settings(deadline=None)
@given(row=st.dictionaries(keys, bodies | st.lists(bodies, max_size=2), max_size=5))
def test_any_row_is_read_or_refused(form: str, row: dict) -> None:
    assert format_of(row) in ("rft", *SAMPLE_FORMATS)
    try:
        found = SAMPLE_FORMATS[form](row, "f:1")
    except UserError as error:
        assert str(error).startswith("f:1")
        return
    assert all(isinstance(text, str) for text, _ in found.texts)
