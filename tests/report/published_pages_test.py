"""The tables of `docs/results` are those that the report makes of their `results.json`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rft_jax.report.report import markdown, read_runs

RESULTS = Path(__file__).parents[2] / "docs/results"
PAGES = [str(path.parent.relative_to(RESULTS)) for path in RESULTS.rglob("results.json")]


@pytest.mark.parametrize("name", PAGES)
def test_tables_are_made_from_the_results_beside_them(name: str) -> None:
    (run,) = read_runs([str(RESULTS / name)])
    text = (RESULTS / name / "table.md").read_text(encoding="utf-8")
    tables, _, rest = text.partition("### Costs")  # of a file that is not kept
    (note,) = run.notes
    assert tables.removesuffix(f"{note}\n").strip() == markdown([replace(run, notes=())]).strip()
    assert (rest or text).endswith(f"{note}\n")
    assert f"of {run.problems['test']}" in text


@pytest.mark.parametrize("name", PAGES)
def test_one_training_claims_nothing_about_a_method(name: str) -> None:
    (run,) = read_runs([str(RESULTS / name)])
    text = (RESULTS / name / "table.md").read_text(encoding="utf-8")
    alone = all(one["trainings"] == 1 for one in run.conditions)
    claims = ("of the methods is", "p is about the method", "95 %, method")
    assert alone != any(claim in text for claim in claims)
    assert alone == ("says nothing about other trainings" in text)
