from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rft_jax.estimators import pass_at_k


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 9), st.data())
def test_pass_at_k_is_the_mean_over_all_subsets(n: int, data: st.DataObject) -> None:
    correct, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    subsets = [
        any(subset) for subset in combinations([True] * correct + [False] * (n - correct), k)
    ]
    assert pass_at_k(correct, n, k) == pytest.approx(sum(subsets) / len(subsets), abs=1e-12)


@given(st.integers(1, 9), st.integers(0, 9))
def test_pass_at_one_is_the_share_of_correct_samples(n: int, correct: int) -> None:
    assert pass_at_k(min(correct, n), n, 1) == pytest.approx(min(correct, n) / n)


@pytest.mark.parametrize("k", [0, 5, -1])
def test_k_outside_the_samples_is_refused(k: int) -> None:
    with pytest.raises(ValueError, match="between 1 and the number of samples 4"):
        pass_at_k(1, 4, k)
