"""Values are converted to the annotated type or refused with the type that is needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rft_jax.typed_values import TypeMismatch, convert, field_types


@dataclass(frozen=True)
class Point:
    x: float
    tags: tuple[str, ...] = ()


@pytest.mark.parametrize(
    ("value", "annotation", "result"),
    [
        (3, float, 3.0),
        ([1, 2], tuple[float, ...], (1.0, 2.0)),
        ([1, "a"], tuple[int, str], (1, "a")),
        ({"x": 1, "tags": ["a"]}, Point, Point(1.0, ("a",))),
        (None, int | None, None),
        (2, str | float, 2.0),
        ("low", Literal["low", "high"], "low"),
        ({"any": [1]}, Any, {"any": [1]}),
    ],
)
def test_a_value_is_converted(value: Any, annotation: Any, result: Any) -> None:
    converted = convert(value, annotation)
    assert converted == result
    assert type(converted) is type(result)


@pytest.mark.parametrize(
    ("value", "annotation", "message"),
    [
        (3.0, int, "an integer is needed"),
        (True, int, "an integer is needed"),
        (1, bool, "True or False is needed"),
        ("x", float | None, "a number or None is needed"),
        ([1, 2], tuple[int, int, int], "a list of 3 values is needed"),
        ("ab", tuple[str, ...], r"a list such as \['a', 'b'\] is needed"),
        (1, tuple[int, ...], r"a list such as \[1, 2\] is needed"),
        ("mid", Literal["low", "high"], "one of 'low', 'high' is needed"),
        ({"y": 1}, Point, "'y' is not one of its fields x, tags"),
        (1, Point, "a dict of Point's fields is needed"),
    ],
)
def test_a_value_of_another_type_is_refused(value: Any, annotation: Any, message: str) -> None:
    with pytest.raises(TypeMismatch, match=message):
        convert(value, annotation)


simple = st.one_of(st.integers(), st.floats(allow_nan=False), st.text(), st.booleans(), st.none())


@given(simple, st.sampled_from([int, float, str, bool, None]))
def test_a_plain_value_keeps_its_type_but_for_integers_as_numbers(value: Any, kind: Any) -> None:
    wanted = type(None) if kind is None else kind
    if type(value) is wanted:
        assert convert(value, kind) is value
    elif kind is float and type(value) is int:
        assert convert(value, kind) == float(value)
    else:
        with pytest.raises(TypeMismatch):
            convert(value, kind)


def test_field_types_are_resolved() -> None:
    assert field_types(Point) == {"x": float, "tags": tuple[str, ...]}
