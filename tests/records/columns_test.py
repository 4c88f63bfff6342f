from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rft_jax.errors import UserError
from rft_jax.records.columns import Cell, conversation, value_at
from tests.records.references_test import json_values


@pytest.mark.parametrize(
    ("row", "name", "value"),
    [
        ({"Problem": 1, "problem": 2}, "problem", 2),
        ({"PROBLEM": 1}, "problem", 1),
        ({"problem": 1}, "Problem", 1),
        ({"a": {"b": {"c": 1}}}, "a.b.c", 1),
        ({"Meta": {"Target": 1}}, "meta.target", 1),
        ({"a.b": 1, "a": {"b": 2}}, "a.b", 1),
        ({"a": {"b.c": 1}}, "a.b.c", 1),
        ({"a": {"b": 1}}, "a.c", None),
        ({"a": 1}, "a.b", None),
        ({"a": None}, "a", None),
        ({}, "a", None),
    ],
)
def test_a_column_is_found_by_its_name_then_by_its_path(
    row: dict[str, Any], name: str, value: object
) -> None:
    assert value_at(row, name) == value


def test_a_content_of_parts_is_their_texts_together() -> None:
    parts = [{"type": "text", "text": "How "}, {"type": "image"}, {"text": None}, {"text": "many?"}]
    cell = Cell("messages", [{"role": "user", "content": parts}])
    assert conversation(cell, "f:1").question == "How many?"


def test_a_part_whose_text_is_a_number_is_refused_with_its_place() -> None:
    cell = Cell("messages", [{"role": "user", "content": [{"text": "How"}, {"text": 5}]}])
    with pytest.raises(UserError, match=r"^f:1: messages has .*; a message has 'role' and 'conte"):
        conversation(cell, "f:1")


parts = st.one_of(json_values, st.fixed_dictionaries({"text": json_values}))
messages = st.fixed_dictionaries(
    {
        "role": st.sampled_from(["user", "assistant"]) | json_values,
        "content": st.lists(parts, max_size=3) | json_values,
    }
)


@given(st.lists(messages | json_values, max_size=4) | json_values)
def test_any_conversation_is_read_or_refused(value: Any) -> None:
    try:
        found = conversation(Cell("messages", value), "f:1")
    except UserError as error:
        assert str(error).startswith("f:1: messages has ")
        return
    assert isinstance(found.question, str)
    assert isinstance(found.answer, str | None)
