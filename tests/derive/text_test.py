"""The pretraining text has as much in it as the package's, worked problems in pairs."""

from __future__ import annotations

import json

from rft_jax.derive.inputs import Inputs
from rft_jax.derive.write import write_derived
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
