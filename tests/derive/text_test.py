"""The pretraining text has as much in it as the package's, worked problems in pairs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rft_jax.arithmetic.settings import ArithmeticSettings
from rft_jax.derive.inputs import Inputs
from rft_jax.derive.write import write_derived
from rft_jax.errors import UserError
from rft_jax.files.jsonl import read_rows
from rft_jax.wordproblems.pretraining import pretraining_rows


def test_each_worked_problem_has_another_one_before_it(tmp_path):
    write_derived("one_shot_text", Inputs("", count=4000, seed=3), str(tmp_path / "out"))
    lines = (tmp_path / "out" / "problems.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    alone = list(pretraining_rows(3, 4000))
    worked = [row for row in alone if "####" in row["response"]]
    pairs = [row for row in rows if "####" in row["response"]]
    assert len(pairs) == len(worked) // 2 >= 5
    first, second = worked[:2]
    assert pairs[0] == {
        "query": f"{first['query']}{first['response']}\n\n{second['query']}",
        "response": second["response"],
    }
    assert [row for row in rows if "####" not in row["response"]] == [
        row for row in alone if "####" not in row["response"]
    ]


def test_lines_of_arithmetic_are_the_same_in_all_forms(tmp_path: Path) -> None:
    mix = ArithmeticSettings(whole=1.0)
    rows = {}
    for form in ("steps", "direct"):
        inputs = Inputs("", count=500, form=form, arithmetic=mix)
        write_derived("arithmetic", inputs, str(tmp_path / form))
        rows[form] = [row for _, row in read_rows(tmp_path / form / "problems.jsonl")]
    expressions = {form: [row["response"].split("=")[0] for row in rows[form]] for form in rows}
    count = len(rows["steps"])
    assert expressions["direct"][:count] == expressions["steps"] and len(rows["direct"]) > count
    with pytest.raises(UserError, match="--count 0: the number of tokens is needed"):
        write_derived("arithmetic", Inputs(""), str(tmp_path / "none"))
    with pytest.raises(UserError, match="was made with form = 'direct', now it is 'steps'"):
        write_derived("arithmetic", Inputs("", count=500, arithmetic=mix), str(tmp_path / "direct"))
