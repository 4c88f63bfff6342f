"""Rows of public data sets, by the columns they have."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rft_jax.errors import UserError
from rft_jax.records.references import Reference, is_only_answer, read_reference

TALK = [{"role": "system", "content": "s"}, {"role": "user", "content": "q?"}]
REPLY = {"role": "assistant", "content": "It is 5."}


@pytest.mark.parametrize(
    ("row", "answer", "is_solution"),
    [
        ({"problem": "q?", "solution": r"So \boxed{5}", "answer": "5"}, r"So \boxed{5}", True),
        ({"problem": "q?", "solution": "So it is 5", "answer": 5}, "So it is 5\n#### 5", True),
        ({"Problem": "q?", "Answer": 5, "ID": "2024-I-1"}, "5", False),
        (
            {"problem": "q?", "generated_solution": "So it is.", "expected_answer": "5"},
            "So it is.\n#### 5",
            True,
        ),
        ({"problem": "q?", "expected_answer": "5", "generation": "wrong"}, "5", False),
        (
            {"problem": "q?", "expected_answer": "x is 1 and y is 2"},
            "#### x is 1 and y is 2",
            False,
        ),
        ({"question": "q?", "answer": "2+3=5\n#### 5", "solution": "no"}, "2+3=5\n#### 5", True),
        ({"question": "q?", "answer": "5", "response": "a model's"}, "5", False),
        ({"query": "q?", "response": "62"}, "62", True),
        ({"instruction": "q?", "output": "It is 5", "input": ""}, "It is 5", True),
        ({"messages": [*TALK, REPLY]}, "It is 5.", True),
        ({"conversations": [{"from": "human", "value": "q?"}], "answer": 5.5}, "5.5", False),
        (
            {"prompt": TALK, "reward_model": {"style": "rule", "ground_truth": "5"}, "id": None},
            "5",
            False,
        ),
        ({"prompt": "q?", "completion": "It is 5."}, "It is 5.", True),
        ({"question": "q?", "answer": "print(5)", "form": "program"}, "print(5)", True),
        ({"question": "q?", "answer": math.nan, "expected_answer": 5}, "5", False),
    ],
)
def test_a_row_is_read_by_its_columns(row: dict, answer: str, is_solution: bool) -> None:
    form = row.get("form", "text")
    assert read_reference(row, "f:1") == Reference("q?", answer, form, is_solution)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"messages": [*TALK, REPLY, TALK[1]]}, "messages has 2 questions; split"),
        ({"messages": [{"role": "user"}]}, "a message has 'role' and 'content'"),
        ({"messages": [REPLY], "answer": 5}, "no message with the role 'user'"),
        ({"question": None, "answer": 5}, "no question in the columns"),
        ({"question": "q?", "answer": ["5"]}, r"answer is \['5'\]; a string or a finite number"),
        ({"question": "q?", "answer": math.inf}, "answer is inf; a string or a finite number"),
        ({"question": "q?", "answer": math.nan}, r"no answer in the columns .*'answer' \(null\)"),
        ({}, "no question in the columns of an empty row"),
    ],
)
def test_a_row_that_cannot_be_read_is_explained(row: dict, message: str) -> None:
    with pytest.raises(UserError, match=f"f:1: .*{message}"):
        read_reference(row, "f:1")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
names = st.sampled_from(
    ["question", "problem", "prompt", "messages", "answer", "solution", "response", "form",
     "source", "expected_answer", "reward_model"]
)  # fmt: skip


@settings(deadline=None)
@given(st.dictionaries(names, json_values, max_size=5))
def test_any_row_is_read_or_refused(row: dict[str, Any]) -> None:
    try:
        found = read_reference(row, "f:1")
    except UserError as error:
        assert str(error).startswith("f:1: ")
        return
    assert isinstance(found.question, str) and isinstance(found.answer, str)
    assert found.is_solution or is_only_answer(found.answer)
