from __future__ import annotations

from fractions import Fraction

from rft_jax.evaluation import scoring
from rft_jax.evaluation.graded import make_grader
from rft_jax.evaluation.inputs import Response
from rft_jax.evaluation.scoring import Scored, count_steps, count_words, to_row
from rft_jax.evaluation.settings import EvaluateSettings
from rft_jax.records import Problem
from rft_jax.verify.grading import Grader

PROBLEM = Problem("p/1", "How many?", "He has <<9+9=18>>18 of them\nat last.\n#### 18")


class Comparer:
    """Knows that 1/2 and \\frac12 are equal, and takes too long over what is hard."""

    def equal(self, reference: str, answer: str) -> bool:
        if answer == "hard":
            raise TimeoutError
        return answer == reference or {reference, answer} == {"\\frac12", "\\tfrac{2}{4}"}

    def value(self, answer: str) -> str:
        return answer

    def close(self) -> None:
        """Nothing runs."""


def _counted(problem: Problem, responses: list[Response], grader: Grader, votes: str) -> Scored:
    return scoring.score(scoring.grade(problem, responses, grader), grader, votes)


def score(problem: Problem, responses: list[str], answers: str, votes: str) -> Scored:
    grader = make_grader(EvaluateSettings(answers=answers, votes=votes))
    return _counted(problem, [Response(text) for text in responses], grader, votes)


def score_boxed(reference: str, *answers: str) -> Scored:
    """Scores answers with a comparer that gives up on `hard`."""
    responses = [Response(rf"\boxed{{{answer}}}" if answer else "") for answer in answers]
    problem = Problem("p/3", "?", rf"So \boxed{{{reference}}}.")
    return _counted(problem, responses, Grader("boxed", comparer=Comparer()), "value")


def _says(*answers: str) -> list[str]:
    return [f"So #### {a}" if a else "I cannot say." for a in answers]


def test_votes_are_by_value_and_not_by_string() -> None:
    scored = score(PROBLEM, _says("18", "18.0", "20", "20", "1,000"), "first", "value")
    assert scored.votes == (
        ("18", True), ("18", True), ("20", False), ("20", False), ("1000", False)
    )  # fmt: skip
    assert scored.correct == (True, True, False, False, False)
    assert scored.majority_at_k(5, "value", 100, 0) == 0.5
    assert scored.share_correct == Fraction(2, 5)


def test_the_papers_votes_are_strings_and_the_first_seen_wins_a_tie() -> None:
    answers = _says("20", "18", "18.0", "20")
    assert score(PROBLEM, answers, "first", "paper").majority_at_k(4, "paper", 1, 0) == 0.0
    assert score(PROBLEM, answers, "first", "value").majority_at_k(4, "value", 1, 0) == 0.5
    tie = score(PROBLEM, _says("", "18.0", "20"), "first", "paper")
    assert tie.majority_at_k(3, "paper", 1, 0) == 1.0
    assert tie.majority_at_k(1, "paper", 1, 0) == 0.0


def test_the_papers_scoring_lets_floats_differ_by_less_than_a_ten_thousandth() -> None:
    answers = _says("18.00005", "18.0002")
    assert score(PROBLEM, answers, "first", "paper").correct == (True, False)
    assert score(PROBLEM, answers, "first", "value").correct == (False, False)


def test_a_response_without_an_answer_is_incorrect_and_does_not_vote() -> None:
    scored = score(PROBLEM, _says("", "", "18"), "first", "value")
    assert scored.correct == (False, False, True)
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


def test_an_undecided_sample_is_treated_as_if_it_had_not_been_sampled() -> None:
    scored = score_boxed(r"\frac12", r"\tfrac{2}{4}", "hard", "x", "hard", r"\frac12", "")
    assert scored.correct == (True, None, False, None, True, False)
    assert scored.undecided == 2
    fewer = score_boxed(r"\frac12", r"\tfrac{2}{4}", "x", r"\frac12", "")
    assert scored.share_correct == fewer.share_correct == Fraction(1, 2)
    for k in (1, 2, 4):
        assert scored.pass_at_k(k) == fewer.pass_at_k(k)
        assert scored.majority_at_k(k, "value", 1, 0) == fewer.majority_at_k(k, "value", 1, 0)
    for k in (5, 6):  # fewer than k are decided: all of them count
        assert scored.pass_at_k(k) == fewer.pass_at_k(4) == 1.0
        assert scored.majority_at_k(k, "value", 1, 0) == fewer.majority_at_k(4, "value", 1, 0)


def test_a_problem_without_a_decided_sample_has_no_metrics() -> None:
    scored = score_boxed("y", "hard", "hard")
    row = to_row(scored, 2, scored.majority_at_k(2, "value", 1, 0))
    assert (row["correct"], row["votes"]) == ([None, None], {})
    assert scored.share_correct is row["maj@k"] is row["pass@k"] is None


def test_the_papers_votes_leave_undecided_samples_out_too() -> None:
    problem = Problem("p", "?", r"\boxed{x}")
    responses = [Response(rf"\boxed{{{answer}}}") for answer in ("hard", "hard", "x", "y")]
    scored = _counted(problem, responses, Grader("boxed", comparer=Comparer()), "paper")
    assert scored.majority_at_k(1, "paper", 1, 0) == 1.0
