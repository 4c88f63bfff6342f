"""The section of problems that one model solves alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from pathlib import Path

from rft_jax.report.report import ReportSettings, read_runs, render
from rft_jax.report.side_by_side import choose_problems, read_side_by_side
from rft_jax.report.sides import read_pairs

MakeRun = Callable[..., Path]


def test_both_kinds_are_shown_with_question_responses_verdicts_and_reference(
    make_run: MakeRun,
) -> None:
    runs = read_runs([str(make_run())])
    (pair,) = read_pairs(runs)
    section, found = read_side_by_side(runs, 0)
    assert f"RFT, seed 0 alone solves {len(pair.a_alone)}; SFT, seed 0 alone" in section.body
    gained, lost = section.body.split("<h3>")[1:]
    for part, title, alone in (
        (gained, "RFT, seed 0 solves, SFT, seed 0 does not", pair.a_alone),
        (lost, "SFT, seed 0 solves, RFT, seed 0 does not", pair.b_alone),
    ):
        assert part.startswith(title)
        ids = [unescape(name) for name in re.findall(r'#samples=[^"]*">([^<]*)</a>', part)]
        assert len(ids) == len(set(ids)) == 12 and set(ids) <= set(alone)
        assert part.count('class="badge solved"') == part.count('class="badge rejected"') == 12
        assert part.count("Reference: ") == 12 and "9 more" in part
        assert f"12 of {len(alone)} problems" in part
    assert "<script" not in section.body and "&lt;script&gt;" in section.body
    # The browser has the responses of all five models to the 24 problems.
    assert len(found) == 5 * 24
    names = {example.row.model.removesuffix(", seed 0") for _, example in found}
    assert names == set(runs[0].labels.values())


def test_the_seed_decides_which_problems_are_shown(make_run: MakeRun) -> None:
    (pair,) = read_pairs(read_runs([str(make_run())]))
    assert choose_problems(pair, 0) == choose_problems(pair, 0) != choose_problems(pair, 1)


def test_ids_lead_to_samples_that_the_page_has(make_run: MakeRun) -> None:
    page = render(read_runs([str(make_run(seeds=(0, 1)))]), ReportSettings(samples_per_verdict=3))
    linked = set(re.findall(r'href="#samples=([^"]*)"', page))
    held = set(re.findall(r'"problem": "([^"]*)"', page))
    assert "train/3" in linked and len(linked) > 24
    assert linked <= held


def test_a_page_without_samples_has_no_pairs_and_no_links(make_run: MakeRun) -> None:
    page = render(read_runs([str(make_run())]), ReportSettings(samples_per_verdict=0))
    assert "side-by-side" not in page and "#samples=" not in page and "train/3" in page
