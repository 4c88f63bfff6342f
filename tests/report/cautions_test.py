"""What is said before the numbers of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rft_jax.report.cautions import cautions
from rft_jax.report.overview import lead
from rft_jax.report.report import markdown
from rft_jax.report.runs import RunRecord

SHARE = {"value": 0.0, "ci95": [0.0, 0.2], "n": 10}


def _run(*rows: dict[str, Any]) -> RunRecord:
    filled = tuple({"accuracy": SHARE, "seed": 0, **row} for row in rows)
    return RunRecord("run", Path("run"), (), filled, labels={"sft": "SFT", "rft": "RFT"})


UNREAD = {"model": "sft", "no_answer": 1.0, "readable": {"boxed": 0.98, "flexible": 0.5}}
NOTHING_NEW = {"model": "rft", "no_answer": 0.1, "new_paths_per_problem": 0.0}


def test_responses_that_nothing_was_read_of_and_paths_that_are_not_new_are_said() -> None:
    assert cautions(_run(UNREAD, NOTHING_NEW)) == [
        "SFT: 100% of the responses give no answer (evaluate.answers = 'boxed' reads 98%, "
        "evaluate.answers = 'flexible' reads 50%).",
        "RFT had nothing new to train on: no sampled path differs from the reference solutions.",
    ]


def test_a_model_is_named_once_for_all_of_its_trainings() -> None:
    assert len(cautions(_run(NOTHING_NEW, {**NOTHING_NEW, "seed": 1}))) == 1


def test_an_ordinary_run_has_none_nor_has_one_of_an_earlier_version() -> None:
    row = {"model": "rft", "no_answer": 0.2, "new_paths_per_problem": 0.5}
    assert cautions(_run(row, {"model": "sft", "new_paths_per_problem": None})) == []


def test_they_come_before_the_results_of_pages_and_tables() -> None:
    run = _run(NOTHING_NEW)
    for text in (lead([run]), markdown([run])):
        assert text.index("had nothing new") < text.index("solves")
