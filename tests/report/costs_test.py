"""The costs of a run as tables, beside the paper's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rft_jax.report.costs import (
    costs_markdown,
    costs_section,
    costs_table,
    paper_costs_table,
    stages_table,
)
from rft_jax.report.runs import RunRecord

PAPER = ({"paper": "rft_k"},)


def _run(name: str = "run", **more: Any) -> RunRecord:
    return RunRecord(name, Path(name), (), **more)


def test_costs_add_up_by_command_and_the_papers_table_has_its_ratio():
    named = {"arm": "sft", "tokens": 10, "paper_flops": 1e6}
    stages = [
        {**named, "stage": "sft-0 train", "command": "train", "flops": 3e6, "seconds": 5.0},
        {**named, "stage": "rft-0 train", "command": "train", "flops": 5e6, "seconds": None},
        {**named, "stage": "sft-0 sample", "command": "sample", "flops": 1e6, "seconds": 2.0},
    ]
    run = _run(costs={"stages": stages, "paper": []}, plots=PAPER)  # as earlier versions wrote it
    rows = [[f"{cell.text} {cell.small}".strip() for cell in row] for row in costs_table(run).rows]
    assert rows[0] == ["train", "2", "20", "8.00e+06", "2.00e+06", "5 (1 of 2 stages)"]
    assert rows[1] == ["sample", "1", "10", "1.00e+06", "1.00e+06", "2"]
    assert rows[-1] == ["all", "3", "30", "9.00e+06", "3.00e+06", "7 (2 of 3 stages)"]
    (row,) = (row for row in paper_costs_table().rows if row[0].text == "7B")
    assert (row[2].text, row[2].small) == ("1.7e+18", "(1.4e+18, × 1.20)")
    assert "The paper&#x27;s table of costs" in costs_section([run]).body


def test_every_stage_has_a_row_and_unknown_seconds_a_dash():
    stage = {"stage": "rft-0 train", "command": "train", "tokens": 1234, "seconds": None}
    run = _run(costs={"stages": [{**stage, "flops": 5e6, "paper_flops": 1e6}], "paper": []})
    (row,) = stages_table(run).rows
    assert [cell.text for cell in row] == ["rft-0 train", "1,234", "5.00e+06", "–"]


@pytest.mark.parametrize("plots", [(), ({"paper": ""},)])
def test_the_papers_costs_are_on_pages_of_its_experiments_alone(plots: tuple[Any, ...]):
    stage = {"stage": "grpo-0 policy", "command": "policy", "tokens": 5, "seconds": 1.0}
    costs = {"stages": [{**stage, "flops": 5e6, "paper_flops": 1e6}]}
    own, papers = _run(costs=costs, plots=plots), _run(costs=costs, plots=PAPER)
    for run, has in ((own, False), (papers, True)):
        body, text = costs_section([run]).body, "\n".join(costs_markdown(run))
        assert ("paper" in body) == ("paper" in text) == ("1.00e+06" in body) == has
        assert "<td>policy</td>" in body
    assert costs_section([own, papers]).body.count("The paper&#x27;s table") == 1


def test_runs_without_costs_have_no_section():
    assert costs_section([_run()]).body == ""
    assert costs_markdown(_run()) == []
