"""Which problems of its files a run uses."""

from __future__ import annotations

import json

import pytest

from rft_jax.errors import UserError
from rft_jax.pipeline.problems import chosen_problems


@pytest.fixture
def file(tmp_path):
    """Problems whose solutions have 0, 1, 2, 3 and 1 annotated calculations."""
    path = tmp_path / "problems.jsonl"
    rows = [
        {"id": f"{i}-{count}", "question": f"{i}?", "answer": "<<1+1=2>>2 " * count + "\n#### 2"}
        for i, count in enumerate([0, 1, 2, 3, 1])
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.mark.parametrize(
    "most, limit, ids",
    [
        (0, 0, ["0-0", "1-1", "2-2", "3-3", "4-1"]),
        (0, 2, ["0-0", "1-1"]),
        (1, 0, ["1-1", "4-1"]),
        (2, 0, ["1-1", "2-2", "4-1"]),
        (2, 2, ["1-1", "2-2"]),
    ],
)
def test_short_solutions_are_chosen_before_the_limit(file, most, limit, ids):
    assert [problem.id for problem in chosen_problems(file, most, limit)] == ids


def test_no_short_solution_is_an_error(tmp_path):
    path = tmp_path / "p.jsonl"
    path.write_text(json.dumps({"id": "a", "question": "q", "answer": "It is 2.\n#### 2"}) + "\n")
    with pytest.raises(UserError, match=r"none of its 1 reference .* 1 to 2 .*raise run"):
        chosen_problems(str(path), max_calculations=2)
