from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from rft_jax.errors import UserError
from rft_jax.evaluation import scoring
from rft_jax.evaluation.scoring import Scored, count_steps, count_words, to_row
from rft_jax.records import Problem

PROBLEM = Problem("p/1", "How many?", "He has <<9+9=18>>18 of them\nat last.\n#### 18")


class Symbolic:
    """Knows that 1/2 and \\frac12 are equal, and takes too long over what is hard."""

    def equal(self, reference: str, answer: str) -> bool:
        if answer == "hard":
            raise TimeoutError
        return {reference, answer} == {"\\frac12", "\\tfrac{2}{4}"}


def score(*arguments: Any) -> Scored:
    return scoring.score(*arguments, Symbolic())


def _says(*answers: str) -> list[str]:
    return [f"So #### {a}" if a else "I cannot say." for a in answers]


def test_votes_are_by_value_and_not_by_string() -> None:
    scored = score(PROBLEM, _says("18", "18.0", "20", "20", "1,000"), "first", "value")
    assert scored.labels == ("18", "18", "20", "20", "1000")
    assert scored.right == (True, True, False, False, False)
    assert scored.majority_at_k(5, "value", 100, 0) == 0.5
    assert scored.share_right == Fraction(2, 5)


def test_the_papers_votes_are_strings_and_the_first_seen_wins_a_tie() -> None:
    answers = _says("20", "18", "18.0", "20")
    assert score(PROBLEM, answers, "first", "paper").majority_at_k(4, "paper", 1, 0) == 0.0
    assert score(PROBLEM, answers, "first", "value").majority_at_k(4, "value", 1, 0) == 0.5
    tie = score(PROBLEM, _says("", "18.0", "20"), "first", "paper")
    assert tie.majority_at_k(3, "paper", 1, 0) == 1.0
    assert tie.majority_at_k(1, "paper", 1, 0) == 0.0


def test_the_papers_scoring_lets_floats_differ_by_less_than_a_ten_thousandth() -> None:
    answers = _says("18.00005", "18.0002")
    assert score(PROBLEM, answers, "first", "paper").right == (True, False)
    assert score(PROBLEM, answers, "first", "value").right == (False, False)


def test_a_response_without_an_answer_is_wrong_and_does_not_vote() -> None:
    scored = score(PROBLEM, _says("", "", "18"), "first", "value")
    assert scored.right == (False, False, True)
    assert scored.majority_at_k(3, "value", 1, 0) == 1.0
    assert to_row(scored, 3, 1.0)["votes"] == {"18": 1}


def test_the_row_holds_what_a_later_comparison_reads() -> None:
    row = to_row(score(PROBLEM, _says("18", "20"), "first", "value"), 2, 0.5)
    assert row == {
        "id": "p/1",
        "reference": "18",
        "answers": ["18", "20"],
        "correct": [True, False],
        "votes": {"18": 1, "20": 1},
        "maj@k": 0.5,
        "pass@k": 1.0,
        "steps": 1,
        "words": 7,
    }


def test_steps_are_annotations_or_else_lines() -> None:
    assert count_steps("a <<1+1=2>>2 b <<2+2=4>>4\n#### 4") == 2
    assert count_steps("First this.\n\nThen that.\n#### 4") == 2
    assert count_words("one two\nthree #### 4") == 3


def test_a_problem_without_an_answer_is_named() -> None:
    with pytest.raises(UserError, match="'p/2' has no answer"):
        score(Problem("p/2", "?", ""), ["#### 1"], "first", "value")


def test_formulas_are_compared_by_meaning_and_a_time_out_is_kept_apart() -> None:
    problem = Problem("p/3", "?", r"So \boxed{\frac12}.")
    says = [rf"\boxed{{{answer}}}" for answer in (r"\tfrac{2}{4}", "hard", "x", r"\frac12")]
    scored = score(problem, says, "boxed", "value")
    assert scored.right == (True, False, False, True)
    assert scored.timeouts == 1
    assert scored.majority_at_k(4, "value", 1, 0) == 1.0
