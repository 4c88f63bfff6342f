from __future__ import annotations

from typing import Any

import pytest

from rft_jax.records.columns import value_at


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
