from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rft_jax.report.overview import colours, headline
from rft_jax.report.runs import RunRecord, StageRecord

LABELS = {"rho": "Pretrained (ρ)", "sft": "SFT", "rft": "RFT"}


def _row(model: str, value: float, seed: int = 0) -> dict[str, Any]:
    accuracy = {"value": value, "ci95": [value - 0.02, value + 0.02], "n": 2000}
    return {"model": model, "seed": seed, "accuracy": accuracy}


def _compared(a: str, b: str, difference: float, p_value: float) -> dict[str, Any]:
    interval = [difference - 0.02, difference + 0.02]
    return {"a": a, "b": b, "difference": difference, "ci95": interval, "p_value": p_value}


def _run(rows: list[dict[str, Any]], *comparisons: dict[str, Any]) -> RunRecord:
    return RunRecord("run", Path("run"), (), tuple(rows), comparisons, labels=LABELS)


@pytest.mark.parametrize(
    ("difference", "p_value", "says"),
    [
        (
            0.107,
            1e-9,
            "10.7 percentage points higher (95 % interval +8.7 to +12.7, p\u00a0<\u00a00.001).",
        ),
        (
            -0.01,
            0.3,
            "1.0 percentage points lower (95 % interval -3.0 to +1.0, p\u00a0=\u00a00.300).",
        ),
        (0.0, 1.0, "no difference (95 % interval"),
    ],
)
def test_the_headline_states_difference_interval_and_significance(
    difference: float, p_value: float, says: str
) -> None:
    rows = [_row("sft", 0.48), _row("rft", 0.48 + difference)]
    said = headline(_run(rows, _compared("rft", "sft", difference, p_value)))
    assert said.startswith("Of 2,000 test problems, RFT solves ")
    assert says in said
    assert ("is statistically significant (p < 0.05)." in said) == (p_value < 0.05)


def test_rft_against_sft_is_the_headline_whatever_else_was_compared() -> None:
    rows = [_row(model, 0.5) for model in ("rho", "sft", "rft")]
    compared = [_compared("sft", "rho", 0.2, 0.001), _compared("rft", "sft", 0.1, 0.001)]
    assert "RFT solves 50.0 % and SFT 50.0 %: 10.0 percentage points" in headline(
        _run(rows, *compared)
    )
    assert "SFT solves 50.0 % and Pretrained" in headline(_run(rows, compared[0]))


def test_the_headline_gives_the_mean_over_seeds_and_their_number() -> None:
    rows = [_row("sft", 0.4), _row("sft", 0.5, 1), _row("rft", 0.6), _row("rft", 0.7, 1)]
    compared = {**_compared("rft", "sft", 0.2, 0.001), "by_seed": [0.2, 0.2]}
    assert "RFT solves 65.0 % and SFT 45.0 % on average over 2 seeds: 20.0" in headline(
        _run(rows, compared)
    )


def test_without_comparisons_the_best_model_is_named() -> None:
    said = headline(_run([_row("sft", 0.48), _row("rft", 0.58)]))
    assert said == "RFT solves 58.0 % of 2,000 problems (95 % interval 56.0 to 60.0)."
    assert headline(_run([])) == ""


def test_an_arm_has_one_colour_over_all_runs() -> None:
    stage = StageRecord("x", Path("x"), "train", "extra", 0)
    runs = [_run([_row("sft", 0.5)]), RunRecord("b", Path("b"), (stage,), (_row("rft", 0.5),))]
    assert colours(runs) == {"sft": 0, "rft": 1, "extra": 2}
