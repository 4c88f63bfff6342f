"""The paper's plots in the shape of our own."""

from __future__ import annotations

import pytest

from rft_jax.report.published import _PLOTS, paper_results, published, published_baselines


@pytest.mark.parametrize("name", _PLOTS)
def test_every_published_plot_has_shares_or_counts_in_order_of_x(name: str):
    for line in published(name):
        xs = [point["x"] for point in line["points"]]
        assert xs == sorted(xs) and xs
        top = 20 if name == "paths" else 1
        assert all(0 <= point["value"] <= top for point in line["points"])


def test_published_values_are_at_the_papers_x():
    supervised = {line["label"]: line["points"] for line in published("supervised")}
    whole, least = supervised["7B, 3 epochs"][-1], supervised["70B-2, step-matched"][0]
    assert (whole["x"], whole["value"]) == (7473, pytest.approx(0.359))
    assert (least["x"], least["value"]) == (7473 / 32, pytest.approx(0.274))
    union = {line["label"]: line["points"] for line in published("union")}
    assert union["7B"] == [
        {"x": x, "value": pytest.approx(v)}
        for x, v in ((0, 0.359), (1, 0.417), (4, 0.493), (5, 0.491))
    ]
    loss = {line["label"]: line["points"] for line in published("loss")}
    assert loss["SFT"][0] == {"x": 1.62, "value": pytest.approx(0.546)}


def test_all_models_of_the_paper_are_there():
    labels = [line["label"] for line in published("supervised")]
    assert len(labels) == 14
    votes = [line["label"] for line in published("votes")]
    assert len(votes) == 7 + 4 and votes[0] == "SFT, 7B" and votes[-1] == "RFT, 13B-2"


def test_greedy_answers_are_not_votes():
    assert {point["x"] for line in published("votes") for point in line["points"]} == {100}
    greedy = {line["label"]: line["value"] for line in published_baselines("votes")}
    assert greedy["SFT, 7B, greedy"] == pytest.approx(0.359)
    assert greedy["RFT, 13B-2, greedy"] == pytest.approx(0.548)
    assert published_baselines("rft_k") == []


def test_a_fit_of_a_published_line_is_over_log2_of_x():
    lines = {line["label"]: line for line in published("rft_k", log_x=True, fit=True)}
    fit = lines["7B"]["fit"]
    assert fit["n"] == 7 and "ci95" not in fit
    first, last = lines["7B"]["points"][0], lines["7B"]["points"][-1]
    assert 0 < fit["slope"] < 0.01  # per doubling of k
    assert first["value"] < fit["intercept"] + fit["slope"] * 3 < last["value"]
    assert "fit" not in lines["33B"]  # one point


def test_numbers_of_the_paper_are_fractions_of_its_tables():
    assert paper_results()["maj1@1"]["rft_by_k"]["100"][0] == 41.7
    points = published("accuracy_by_paths")[0]["points"]
    assert points[-1] == {"x": 5.25, "value": pytest.approx(0.417)}
