from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rft_jax.evaluation.metrics import (
    Votes,
    count_votes,
    first_majority,
    majority_at_k,
    majority_by_resampling,
)


def _credit(subset: tuple[str | None, ...]) -> float:
    """Share of a majority vote that goes to `correct`, ties shared, counted the slow way."""
    counts = {label: subset.count(label) for label in subset if label is not None}
    winners = [label for label, n in counts.items() if n == max(counts.values())]
    return 1 / len(winners) if "correct" in winners else 0.0


_votes = st.builds(
    lambda correct, other, abstained: Votes(correct, tuple(sorted(other, reverse=True)), abstained),
    st.integers(0, 5),
    st.lists(st.integers(1, 4), max_size=3),
    st.integers(0, 2),
).filter(lambda votes: votes.n > 0)


@settings(max_examples=150, deadline=None)
@given(_votes, st.data())
def test_majority_at_k_is_the_mean_over_all_subsets(votes: Votes, data: st.DataObject) -> None:
    k = data.draw(st.integers(1, votes.n))
    labels = ["correct"] * votes.correct + [None] * votes.abstained
    for number, count in enumerate(votes.incorrect):
        labels += [f"incorrect {number}"] * count
    subsets = [_credit(subset) for subset in combinations(labels, k)]
    assert majority_at_k(votes, k) == pytest.approx(sum(subsets) / len(subsets), abs=1e-12)


@given(_votes)
def test_at_one_sample_it_is_the_share_of_correct_samples(votes: Votes) -> None:
    assert majority_at_k(votes, 1) == pytest.approx(votes.correct / votes.n)


def test_a_large_case_stays_exact() -> None:
    votes = Votes(30, (25, 10, 10, 5) + (1,) * 15, 5)
    exact = majority_at_k(votes, 50)
    subset = majority_by_resampling(votes, 50, resamples=200_000, seed=0)
    assert exact == pytest.approx(subset, abs=0.005)
    assert 0.5 < exact < 1


def test_above_the_exact_limit_subsets_are_random_by_seed() -> None:
    votes = Votes(150, (140, 60), 50)
    first = majority_at_k(votes, 20, seed=1)
    assert first == majority_at_k(votes, 20, seed=1) != majority_at_k(votes, 20, seed=2)
    assert first == pytest.approx(majority_at_k(Votes(75, (70, 30), 25), 20), abs=0.03)


def test_a_tie_is_shared_and_the_paper_gives_it_to_the_first() -> None:
    assert majority_at_k(Votes(2, (2,), 0), 4) == 0.5
    assert majority_at_k(Votes(2, (2, 2), 1), 7) == pytest.approx(1 / 3)
    assert first_majority(["7", "9", "9", "7"]) == "7"
    assert first_majority([None, "9", "7"]) == "9"
    assert first_majority([None, None]) is None


def test_votes_are_counted_by_label_and_correct_answers_are_one() -> None:
    labels = ["18", "18.0", None, "5", "5", "7"]
    correct = [True, True, False, False, False, False]
    assert count_votes(list(zip(labels, correct, strict=True))) == Votes(2, (2, 1), 1)


def test_nothing_wins_without_a_correct_vote() -> None:
    assert majority_at_k(Votes(0, (), 4), 4) == 0.0
    assert majority_at_k(Votes(0, (2,), 4), 3) == 0.0


@pytest.mark.parametrize("k", [0, 5, -1])
def test_k_outside_the_samples_is_refused(k: int) -> None:
    with pytest.raises(ValueError, match="between 1 and the number of samples 4"):
        majority_at_k(Votes(2, (2,), 0), k)
