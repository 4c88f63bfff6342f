from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from rft_jax.errors import UserError
from rft_jax.report import views
from rft_jax.report.runs import read_run


def test_a_view_has_its_style_in_a_scope() -> None:
    html = views.View("<p>x</p>")._repr_html_()
    assert html.startswith("<div class='rft-view'><style>@scope (.rft-view) {")
    assert ":root" not in html and "\nbody" not in html
    assert "--c0: #2563c9" in html and "svg circle" in html
    assert html.endswith("<p>x</p></div>")


def test_characters_that_are_not_unicode_do_not_stop_a_notebook() -> None:
    html = views.View("<p>5 \ud800 6</p>")._repr_html_()
    assert html.encode("utf-8").endswith(b"<p>5 ? 6</p></div>")


def test_the_theme_of_the_notebook_decides_over_the_systems() -> None:
    html = views.View("")._repr_html_()
    rules = re.findall(r":is\(([^)]+)\) \.rft-view \{([^}]*)\}", html)
    assert [("true" in where, "dark" in where) for where, _ in rules] == [
        (True, False),
        (False, True),
    ]
    (_, light), (_, dark) = ((where, dict(_variables(rule))) for where, rule in rules)
    assert '[data-jp-theme-light="true"]' in rules[0][0]
    assert '[data-jp-theme-light="false"]' in rules[1][0]
    assert light["--card"] == "#ffffff" and dark["--card"] == "#1d2125"
    assert light["color-scheme"] == "light" and dark["color-scheme"] == "dark"
    used = set(re.findall(r"var\((--[a-z0-9-]+)\)", html)) - {"--c"}
    assert used <= set(light) and used <= set(dark)
    assert html.index(":is(") > html.index("prefers-color-scheme")


def _variables(rule: str) -> list[tuple[str, str]]:
    return re.findall(r"([a-z0-9-]+):\s*([^;]+);", rule)


def test_sections_of_the_report_are_views(make_run: Callable[..., Path]) -> None:
    run = read_run(str(make_run()))
    assert "Paired comparisons" in views.results(run).html
    assert "Training loss" in views.models(run).html
    assert "Distinct paths against k" in views.sampling(run).html


def test_commands_problems_plots_and_costs_are_views(make_run: Callable[..., Path]) -> None:
    run = read_run(str(make_run()))
    assert "rft train --model m" in views.command_lines(run).html
    assert "rft train" not in views.command_lines(run, "rho").html
    assert views.problems(run, count=2).html.count('<div class="sample">') == 2
    assert "Accuracy against k" in views.plots(run).html
    assert "recomputed" in views.costs(run).html


def test_samples_match_verdict_model_and_problem(make_run: Callable[..., Path]) -> None:
    run = read_run(str(make_run(seeds=(0, 1))))
    shown = views.samples(run, verdict="wrong_equation", model="sft-1", count=3).html
    assert shown.count('<div class="sample">') == 3
    assert shown.count("3+4=8 is incorrect (3+4 is 7)") == 3
    assert "sft-0" not in shown
    assert views.samples(run, verdict="kept", count=2).html.count('class="badge kept"') == 2
    one = views.samples(run, problem="train/11", count=50).html
    assert one.count('<div class="sample">') == one.count("train/11 ·") > 1
    assert "No such sample" in views.samples(run, problem="nowhere").html


def test_samples_of_any_verdict_are_of_every_verdict_in_turn(make_run: Callable[..., Path]) -> None:
    run = read_run(str(make_run()))
    states = set(re.findall(r'class="badge (\w+">[^<]+)', views.samples(run, count=10**6).html))
    assert len(states) > 2
    shown = re.findall(r'class="badge (\w+">[^<]+)', views.samples(run, count=len(states)).html)
    assert sorted(shown) == sorted(states)


def test_the_same_seed_shows_the_same_samples(make_run: Callable[..., Path]) -> None:
    run = read_run(str(make_run()))
    assert views.samples(run, seed=1) == views.samples(run, seed=1) != views.samples(run, seed=2)


def test_an_unknown_verdict_is_refused(make_run: Callable[..., Path]) -> None:
    with pytest.raises(UserError, match="verdict 'nice'"):
        views.samples(read_run(str(make_run())), verdict="nice")
