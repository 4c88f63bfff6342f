"""Axes in annotations are those that `rft_jax.models` explains."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import rft_jax.models

PACKAGE = Path(rft_jax.models.__file__).parents[1]
DTYPES = ("Bool", "Float", "Int", "Shaped", "UInt")


def _axes(path: Path) -> Iterator[tuple[str, str]]:
    """The named axes of a file's jaxtyping annotations, each with the line that it is in."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) in DTYPES:
            assert isinstance(node.slice, ast.Tuple)
            axes = ast.literal_eval(node.slice.elts[1])
            for name in re.findall(r"(?<![*\w])[A-Za-z_]\w*", axes):
                yield name, f"{path.relative_to(PACKAGE)}:{node.lineno}"


def test_every_axis_of_an_annotation_is_in_the_legend() -> None:
    legend = rft_jax.models.__doc__ or ""
    letters = set(re.findall(r"^    ([A-Z])   \w", legend, re.MULTILINE))
    known = letters | set(re.findall(r"`([a-z]+)`", legend))
    found = {axis for path in PACKAGE.rglob("*.py") for axis in _axes(path)}
    assert [axis for axis in sorted(found) if axis[0] not in known] == []
    assert letters - {name for name, _ in found} <= {"F", "L"}  # of parameters and starred axes
