from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rft_jax.rft.stats import expected_at_k, ks_up_to
from rft_jax.rft.tally import Tally
from rft_jax.verify.comparison import AnswerComparer
from tests.rft.make import run_collect, sample_row, write_lines, write_samples


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=8), st.data())
def test_distinct_at_k_is_the_mean_over_all_subsets(labels: list[int], data: st.DataObject) -> None:
    n, k = len(labels), data.draw(st.integers(1, len(labels)))
    subsets = [len(set(subset)) for subset in combinations(labels, k)]
    counts: dict[tuple[int, int], int] = {}
    for label in set(labels):
        pair = n, labels.count(label)
        counts[pair] = counts.get(pair, 0) + 1
    assert expected_at_k(counts, 1, k) == pytest.approx(sum(subsets) / len(subsets), abs=1e-12)


def test_more_samples_than_there_are_count_as_all() -> None:
    assert expected_at_k({(3, 1): 1}, 1, 5) == 1.0
    assert expected_at_k({(3, 0): 1}, 1, 5) == 0.0
    assert expected_at_k({(500, 1): 1}, 1, 250) == pytest.approx(0.5)


def test_curves_have_points_at_powers_of_two_and_the_end() -> None:
    assert ks_up_to(1) == [1]
    assert ks_up_to(8) == [1, 2, 4, 8]
    assert ks_up_to(10) == [1, 2, 4, 8, 10]
    assert ks_up_to(0) == []


def test_tallies_add_up_in_any_order() -> None:
    a, b, whole = Tally(), Tally(), Tally()
    a.problems, b.problems = 1, 2
    a.correct["m", 4, 2] += 1
    b.correct["m", 4, 2] += 2
    b.suspicious[7] = {"id": "x"}
    whole.add(b)
    whole.add(a)
    other = Tally()
    other.add(a)
    other.add(b)
    assert whole == other
    assert whole.correct["m", 4, 2] == 3 and whole.problems == 3


CORRECT, INCORRECT = "<<9+9=18>>\n#### 18", "<<9+9=19>>\n#### 19"


def test_what_each_model_found_alone_and_what_they_share(tmp_path: Path) -> None:
    paths = [f"<<{i}+{18 - i}=18>>\n#### 18" for i in range(5)]
    first = write_samples(tmp_path / "a", {"p": [paths[0], paths[1], INCORRECT]}, "a")
    second = write_samples(tmp_path / "b", {"p": [paths[1], paths[2], paths[3], paths[3]]}, "b")
    stats = run_collect(tmp_path, {"p": "#### 18", "q": "#### 1"}, [first, second]).stats
    assert stats["models"]["a"]["distinct"] == 2 and stats["models"]["a"]["distinct_alone"] == 1
    assert stats["models"]["b"]["distinct"] == 3 and stats["models"]["b"]["distinct_alone"] == 2
    assert stats["overlaps"] == [{"models": ["a", "b"], "both": 1, "either": 4}]
    assert stats["samples"] == 7 and stats["models"]["a"]["samples"] == 3
    assert stats["verdicts"]["correct"] == 6 and stats["verdicts"]["wrong_answer"] == 1
    assert stats["models"]["a"]["verdicts"]["wrong_answer"] == 1
    assert stats["solved"] == 1 and stats["problems"] == 2 and stats["sampled_problems"] == 1
    assert stats["paths"]["sampled"] == 4
    assert stats["paths"]["problems_by_sampled"] == {"0": 1, "4": 1}
    assert stats["problems_by_correct"] == {"6": 1}


def test_copies_of_the_reference_solution_are_not_new(tmp_path: Path) -> None:
    """With other words, other spaces or none at all: a path is new by its equations."""
    answers = {"p": CORRECT, "q": "So it is 3.\n#### 3"}
    samples = {
        "p": [CORRECT, "Nine and nine: <<9 + 9=18>>\n#### 18", "<<18+0=18>>\n#### 18"],
        "q": ["So it is 3.\n#### 3", "It is 3.\n#### 3"],
    }
    folder = write_samples(tmp_path / "a", samples)
    paths = run_collect(tmp_path, answers, [folder], dedup="exact_text").stats["paths"]
    assert paths["sampled"] == 5
    assert (paths["new"], paths["copies_of_reference"]) == (2, 3)  # 18+0, and q's other text
    assert paths["new_per_problem"] == 1.0
    again = tmp_path / "again"
    again.mkdir()
    only = write_samples(again / "b", {"p": [CORRECT] * 4})
    paths = run_collect(again, {"p": CORRECT}, [only]).stats["paths"]
    assert (paths["sampled"], paths["new"], paths["copies_of_reference"]) == (1, 0, 1)


def test_pass_at_k_and_distinct_at_k_are_those_of_all_subsets(tmp_path: Path) -> None:
    texts = [CORRECT, CORRECT, "<<18+0=18>>\n#### 18", INCORRECT]
    stats = run_collect(
        tmp_path, {"p": "#### 18"}, [write_samples(tmp_path / "a", {"p": texts})]
    ).stats
    assert {point["k"]: point["value"] for point in stats["pass@k"]} == {1: 0.75, 2: 1.0, 4: 1.0}
    keys = ["x", "x", "y", None]
    for k in (1, 2, 4):
        subsets = [len(set(subset) - {None}) for subset in combinations(keys, k)]
        expected = sum(subsets) / len(subsets)
        (point,) = [p for p in stats["distinct@k"]["equations"] if p["k"] == k]
        assert point["value"] == pytest.approx(expected)


def test_each_dedup_level_has_its_curve(tmp_path: Path) -> None:
    texts = [
        "<<9+9=18>> <<1+2=3>>\n#### 18",
        "<<9+9=18>> and <<1+2=3>>\n#### 18",
        "<<9+9=18>> <<2+1=3>>\n#### 18",
        "<<1+2=3>> <<9+9=18>>\n#### 18",
    ]
    stats = run_collect(
        tmp_path, {"p": "#### 18"}, [write_samples(tmp_path / "a", {"p": texts})]
    ).stats
    at_all = {level: curve[-1]["value"] for level, curve in stats["distinct@k"].items()}
    assert at_all == {"exact_text": 4, "equations": 3, "canonical": 2, "unordered": 1}


def test_a_reference_that_all_samples_contradict_alike_is_suspicious(tmp_path: Path) -> None:
    answers = dict.fromkeys(("agree", "scatter", "right", "few", "equation"), "#### 18")
    responses = {
        "agree": ["#### 19", "#### 19.0", "#### $19", "#### 5"],
        "scatter": ["#### 1", "#### 2", "#### 3", "#### 19"],
        "right": ["#### 19", "#### 19", "#### 19", "#### 18"],
        "few": ["#### 19"],
        "equation": ["#### 19", "#### 19", "#### 19", "<<1+1=3>>#### 18"],
    }
    stats = run_collect(tmp_path, answers, [write_samples(tmp_path / "a", responses)]).stats
    assert stats["suspicious_references"] == [
        {"id": "agree", "reference": "18", "answer": "19", "votes": 2, "samples": 4}
    ]


def test_problems_with_unequal_numbers_of_samples_count_with_what_they_have(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    rows = [sample_row("p", i, CORRECT if i == 0 else INCORRECT) for i in range(4)]
    write_lines(folder / "samples-0.jsonl", [*rows, sample_row("q", 0, INCORRECT)])
    stats = run_collect(tmp_path, {"p": "#### 18", "q": "#### 18"}, [str(folder)]).stats
    assert {point["k"]: point["value"] for point in stats["pass@k"]} == {1: 0.125, 2: 0.25, 4: 0.5}


def test_undecided_samples_are_counted_and_in_no_expectation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def equal(_: object, reference: str, answer: str) -> bool:
        if answer == "y":
            raise TimeoutError
        return reference == answer

    monkeypatch.setattr(AnswerComparer, "equal", equal)
    texts = [rf"\boxed{{{answer}}}" for answer in "xyzzy"]
    samples = write_samples(tmp_path / "a", {"p": texts})
    result = run_collect(
        tmp_path, {"p": r"\boxed{x}"}, [samples], answers="boxed", suspicious_share=0.3
    )
    assert result.verdicts == ["correct", "timeout", "wrong_answer", "wrong_answer", "timeout"]
    assert result.stats["samples"] == 5 and result.stats["verdicts"]["timeout"] == 2
    assert [point["k"] for point in result.stats["pass@k"]] == [1, 2, 3]
    assert result.stats["pass@k"][0]["value"] == pytest.approx(1 / 3)
    assert result.stats["suspicious_references"] == []
