"""The main result in words: what was measured, on which problems, and what it is about."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rft_jax.report.conditions import conditions_table
from rft_jax.report.headline import headline
from rft_jax.report.runs import RunRecord

LABELS = {"rho": "Pretrained (ρ)", "sft": "SFT", "rft": "RFT"}
SPLIT = {"test": "wordproblems:test2", "published_experiments": 0}


def _row(model: str, value: float, seed: int = 0) -> dict[str, Any]:
    accuracy = {"value": value, "ci95": [value - 0.02, value + 0.02], "n": 2000}
    return {"model": model, "seed": seed, "accuracy": accuracy}


def _compared(a: str, b: str, difference: float, p_value: float, **more: Any) -> dict[str, Any]:
    interval = [difference - 0.02, difference + 0.02]
    found = {"a": a, "b": b, "difference": difference, "ci95": interval, "method": None}
    holm = {"p_holm": p_value, "holm_comparisons": 1}
    return {**found, "p_value": p_value, **holm, "by_seed": [difference], **more}


def _method(p_value: float, *by_seed: float) -> dict[str, Any]:
    method = {"ci95": [0.1, 0.2], "ci95_t": [0.05, 0.25], "p_value": p_value}
    pairs = {"by_seed": list(by_seed), "trainings": {"a": len(by_seed), "b": len(by_seed)}}
    return {"method": {"trainings": len(by_seed), **method}, "p_holm": p_value, **pairs}


def _run(rows: list[dict[str, Any]], *compared: dict[str, Any], **split: Any) -> RunRecord:
    problems = SPLIT | split
    return RunRecord(
        "run", Path("run"), (), tuple(rows), problems, comparisons=compared, labels=LABELS
    )


@pytest.mark.parametrize(
    ("difference", "p_value", "says"),
    [
        (
            0.107,
            1e-9,
            "10.7 percentage points higher (95 % interval over questions +8.7 to +12.7, ",
        ),
        (-0.01, 0.3, "1.0 percentage points lower (95 % interval over questions -3.0 to +1.0, "),
        (0.0, 1.0, "no difference (95 % interval over questions"),
    ],
)
def test_one_training_each_is_about_two_models(difference, p_value, says) -> None:
    rows = [_row("sft", 0.48), _row("rft", 0.48 + difference)]
    said = headline(_run(rows, _compared("rft", "sft", difference, p_value)))
    assert said.startswith("Of the 2,000 problems of wordproblems:test2, RFT solves ")
    assert says in said
    assert ("is statistically significant (p < 0.05)." in said) == (p_value < 0.05)
    assert "between these two models" in said and "says nothing about other trainings" in said
    assert "of the methods" not in said and "Student" not in said


def test_the_problems_are_those_of_the_compared_conditions() -> None:
    on_others = _row("pretrained", 0.1)
    on_others["accuracy"]["n"] = 400
    rows = [on_others, _row("sft", 0.48), _row("rft", 0.5)]
    said = headline(_run(rows, _compared("rft", "sft", 0.02, 0.3)))
    assert said.startswith("Of the 2,000 problems of wordproblems:test2, RFT solves ")


def test_a_mean_is_rounded_as_in_the_table_of_conditions() -> None:
    values = (0.73725, 0.745, 0.69725)  # their sum as floats is just below three times 0.7265
    rows = [_row("rft", value, seed) for seed, value in enumerate(values)] + [_row("sft", 0.4)]
    condition = {"model": "rft", "value": 0.7265, "ci95": [0.7, 0.75]}
    run = replace(_run(rows, _compared("rft", "sft", 0.3265, 1e-9)), conditions=(condition,))
    assert conditions_table(run).rows[0][1].text == "72.7 %"
    assert "RFT solves 72.7 % and SFT 40.0 %" in headline(run)


def test_several_trainings_are_about_the_methods_with_both_intervals() -> None:
    rows = [_row("sft", 0.4), _row("sft", 0.5, 1), _row("rft", 0.6), _row("rft", 0.7, 1)]
    compared = _compared("rft", "sft", 0.2, 1e-20, **_method(0.004, 0.2, 0.2))
    said = headline(_run(rows, compared))
    assert "RFT solves 65.0 % and SFT 45.0 % on average over 2 trainings of each: 20.0" in said
    assert "over trainings and questions +10.0 to +20.0, by Student's t +5.0 to +25.0" in said
    assert "p\u00a0=\u00a00.004" in said
    assert "The difference of the methods is statistically significant (p < 0.05)." in said


def test_a_model_without_trainings_of_its_own_is_named_with_its_number() -> None:
    rows = [_row("sft", 0.4), _row("sft", 0.5, 1), _row("rho", 0.1)]
    several = _method(0.004, 0.3, 0.4) | {"trainings": {"a": 2, "b": 1}}
    said = headline(_run(rows, _compared("sft", "rho", 0.35, 0.0, **several)))
    assert "on average over 2 and 1 trainings" in said
    assert "between the method and the one model" in said and "of the methods" not in said


def test_significance_is_that_of_all_comparisons_of_the_page_together() -> None:
    rows = [_row(model, 0.5) for model in ("rho", "sft", "rft")]
    found = _compared("rft", "sft", 0.02, 0.03) | {"p_holm": 0.06, "holm_comparisons": 2}
    said = headline(_run(rows, found, _compared("sft", "rho", 0.1, 0.5)))
    assert "p\u00a0=\u00a00.030" in said
    assert "not statistically significant (p ≥ 0.05 by Holm for 2 comparisons)" in said


def test_rft_against_sft_is_the_headline_whatever_else_was_compared() -> None:
    rows = [_row(model, 0.5) for model in ("rho", "sft", "rft")]
    compared = [_compared("sft", "rho", 0.2, 0.001), _compared("rft", "sft", 0.1, 0.001)]
    assert "RFT solves 50.0 % and SFT 50.0 %: 10.0 percentage points" in headline(
        _run(rows, *compared)
    )
    assert "SFT solves 50.0 % and Pretrained" in headline(_run(rows, compared[0]))


def test_without_comparisons_the_best_model_is_named_as_this_model() -> None:
    said = headline(_run([_row("sft", 0.48), _row("rft", 0.58)]))
    assert said == (
        "RFT solves 58.0 % of 2,000 problems of wordproblems:test2 (this model; 95 % interval over "
        "questions 56.0 to 60.0). It is the best of 2 on these problems, likely worse on others. "
        "It is one training, which says nothing about other trainings."
    )
    twice = headline(_run([_row("rft", 0.56), _row("rft", 0.58)]))
    assert twice.endswith("It is the best of 2 on these problems, likely worse on others.")
    assert headline(_run([])) == ""


def test_a_split_that_was_measured_on_before_says_how_often() -> None:
    run = _run([_row("rft", 0.58)], test="wordproblems:test", published_experiments=12)
    assert headline(run).endswith(
        "wordproblems:test is not unseen: 12 published experiments were measured on it."
    )
    run = _run([_row("rft", 0.58)], test="wordproblems:test2", published_experiments=1)
    assert headline(run).endswith("is not unseen: a published experiment was measured on it.")
    assert "unseen" not in headline(_run([_row("rft", 0.58)]))


def test_a_run_of_an_earlier_version_has_no_name_of_its_problems() -> None:
    assert "% of 2,000 test problems (" in headline(_run([_row("rft", 0.58)], test=""))
