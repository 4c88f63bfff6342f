"""A results.json that people have edited: what it lacks is named, and no traceback follows."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rft_jax.errors import UserError
from rft_jax.files.jsonl import write_json
from rft_jax.report.results_file import read_results

METRIC = {"value": 0.5, "ci95": [0.4, 0.6], "n": 100}
PUBLISHED = Path(__file__).parents[2] / "docs" / "results"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ([], "a JSON object is needed, found list"),
        ({"rows": {}}, "rows is {}; a list is needed"),
        ({"rows": ["sft"]}, r"rows\[0\] is 'sft'; an object is needed"),
        ({"rows": [{"model": "a"}, {"seed": 0}]}, r"rows\[1\] has no 'model', which rft run"),
        ({"rows": [{"model": "a", "accuracy": 0.5}]}, r"rows\[0\]: 'accuracy' has no interval"),
        (
            {"rows": [{"model": "a", "maj@k": METRIC | {"value": None}}]},
            r"rows\[0\]: 'maj@k' has no number as its value",
        ),
        (
            {"rows": [{"model": "a", "accuracy": METRIC | {"ci95": [0.4]}}]},
            "no interval 'ci95' of two numbers",
        ),
        (
            {"rows": [{"model": "a"}], "conditions": [METRIC | {"model": "a", "label": "A"}]},
            r"rows\[0\] has the seed None; a whole number is needed",
        ),
        ({"comparisons": [{"a": "x"}]}, r"comparisons\[0\] has no 'b'"),
        ({"figures": [{"title": "x"}]}, r"\[0\] has no 'x', which"),
    ],
)
def test_what_a_file_lacks_is_named_with_its_item(tmp_path: Path, content: Any, says: str) -> None:
    write_json(tmp_path / "results.json", content)
    with pytest.raises(UserError, match=says) as error:
        read_results(tmp_path / "results.json")
    assert str(error.value).startswith(f"{tmp_path / 'results.json'}: ")


def test_files_of_all_versions_are_read(make_run: Callable[..., Path]) -> None:
    assert read_results(make_run() / "results.json")["rows"]
    files = sorted(PUBLISHED.rglob("results.json"))
    assert len(files) > 10
    for file in files:
        assert read_results(file) == json.loads(file.read_text(encoding="utf-8"))
