"""Two evaluations on disk, compared in pairs."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from rft_jax.errors import UserError
from rft_jax.evaluation.against import check_comparable, read_scores, write_comparison
from rft_jax.evaluation.compare import mcnemar_exact
from rft_jax.files.jsonl import read_json, write_json, write_rows
from rft_jax.records import Problem


def _evaluation(folder: Path, correct: list[list[bool | None]], majorities: list[float]) -> Path:
    folder.mkdir()
    rows = [
        {"id": f"q{i}", "correct": one, "maj@k": majority}
        for i, (one, majority) in enumerate(zip(correct, majorities, strict=True))
    ]
    write_rows(folder / "predictions.jsonl", rows)
    write_json(folder / "metrics.json", {"k": len(correct[0])})
    return folder


def test_scores_are_exact_shares_of_decided_samples(tmp_path: Path) -> None:
    folder = _evaluation(tmp_path / "a", [[True, False, True], [True, None, None], [None]], [0] * 3)
    assert read_scores(folder) == {"q0": Fraction(2, 3), "q1": Fraction(1), "q2": None}


def test_one_answer_per_problem_is_compared_by_mcnemars_test(tmp_path: Path) -> None:
    a = _evaluation(tmp_path / "a", [[True]] * 5 + [[False]], [1.0] * 5 + [0.0])
    b = _evaluation(tmp_path / "b", [[False]] * 5 + [[True]], [0.0] * 5 + [1.0])
    text = write_comparison(a, b)
    result = read_json(a / "comparison.json")
    assert result["difference"] == pytest.approx(4 / 6)
    assert result["p_value"] == mcnemar_exact(5, 1)
    assert (result["a"], result["b"]) == (str(a), str(b)) and "maj@k" not in result
    assert "+66.7 percentage points" in text and "better on 5, worse on 1 of 6" in text
    assert result["method"] is None and "say nothing about other trainings" in text
    assert "Holm" not in text and result["p_holm"] == result["p_value"]


def test_majorities_of_the_same_k_are_compared_too_with_exact_thirds(tmp_path: Path) -> None:
    a = _evaluation(tmp_path / "a", [[True, False, True]] * 2, [1 / 3, 1.0])
    b = _evaluation(tmp_path / "b", [[True, False, False]] * 2, [0.0, 1.0])
    assert "maj@3" in write_comparison(a, b)
    majority = read_json(a / "comparison.json")["maj@k"]
    assert majority["difference"] == pytest.approx(1 / 6)
    assert majority["p_holm"] >= majority["p_value"]
    assert majority["test"] == "t_test" and majority["p_value"] > 0.5


def test_a_folder_without_an_evaluation_or_with_other_problems_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no metrics\.json there"):
        check_comparable(tmp_path, [])
    folder = _evaluation(tmp_path / "a", [[True], [False]], [1.0, 0.0])
    check_comparable(folder, [Problem(f"q{i}", "?", "#### 1") for i in range(2)])
    with pytest.raises(UserError, match="'q2' is in one run and not in the other"):
        check_comparable(folder, [Problem(f"q{i}", "?", "#### 1") for i in range(3)])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"id": "q0"}, "correct is None"),
        ({"id": "q0", "correct": 5}, "correct is 5"),
        ({"id": "q0", "correct": ["yes"]}, r"correct is \['yes'\]"),
        ({"correct": [True]}, "no 'id'"),
        ({"id": "q0", "correct": [True, True], "maj@k": "x"}, "maj@k is 'x'"),
    ],
)
def test_a_row_that_is_not_a_prediction_is_named(tmp_path: Path, row: dict, message: str) -> None:
    a = _evaluation(tmp_path / "a", [[True, False]], [1.0])
    b = _evaluation(tmp_path / "b", [[True, False]], [1.0])
    write_rows(b / "predictions.jsonl", [row])
    with pytest.raises(UserError, match=rf"predictions\.jsonl:1: {message}"):
        write_comparison(a, b)


def test_metrics_that_are_not_an_object_are_named(tmp_path: Path) -> None:
    a = _evaluation(tmp_path / "a", [[True]], [1.0])
    b = _evaluation(tmp_path / "b", [[True]], [1.0])
    write_json(b / "metrics.json", [])
    with pytest.raises(UserError, match=r"b/metrics\.json: a JSON object is needed, found list"):
        write_comparison(a, b)
