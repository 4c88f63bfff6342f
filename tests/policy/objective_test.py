"""Advantages and weights of tokens, by hand for every switch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rft_jax.errors import UserError
from rft_jax.policy.objective import advantages, response_weights, zero_variance
from rft_jax.policy.switches import BASELINES, SCALES, Objective

GROUPS = np.array([0, 0, 0, 0, 1, 1, 1, 1])
REWARDS = np.array([1.0, 0.0, 0.0, 1.0, 0.7, 0.3, 0.3, 0.3])


def of(baseline: str, scale: str = "none") -> Objective:
    return Objective(baseline=baseline, scale=scale)


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        (of("none"), REWARDS),
        (of("mean"), [0.5, -0.5, -0.5, 0.5, 0.3, -0.1, -0.1, -0.1]),
        (of("leave_one_out"), [2 / 3, -2 / 3, -2 / 3, 2 / 3, 0.4, *[0.3 - 1.3 / 3] * 3]),
        (of("signed"), [1.0, -1.0, -1.0, 1.0, 0.4, -0.4, -0.4, -0.4]),
        # Sample standard deviations of the groups: sqrt(1/3) and 0.2.
        (of("mean", "group"), [*np.array([0.5, -0.5, -0.5, 0.5]) * 3**0.5, 1.5, -0.5, -0.5, -0.5]),
    ],
)
def test_advantages_of_two_groups_are_those_computed_by_hand(
    objective: Objective, expected: list[float]
) -> None:
    np.testing.assert_allclose(advantages(REWARDS, GROUPS, objective), expected, atol=1e-12)


def test_scale_batch_divides_by_the_standard_deviation_of_all_rewards() -> None:
    centred = advantages(REWARDS, GROUPS, of("mean"))
    scaled = advantages(REWARDS, GROUPS, of("mean", "batch"))
    np.testing.assert_allclose(scaled, centred / np.std(REWARDS, ddof=1), rtol=1e-12)


def test_fractions_of_a_reward_survive() -> None:
    np.testing.assert_allclose(
        advantages(np.array([0.7, 0.3]), np.zeros(2, int), of("mean")), [0.2, -0.2], atol=1e-12
    )


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("baseline", ["mean", "leave_one_out", "signed"])
def test_a_zero_variance_group_has_advantages_of_exactly_zero(baseline: str, scale: str) -> None:
    rewards = np.array([0.1 + 0.2, 0.3, 0.3, 1.0, 0.0])  # the first three differ by rounding alone
    groups = np.array([5, 5, 5, 2, 2])
    result = advantages(rewards, groups, of(baseline, scale))
    assert zero_variance(rewards, groups).tolist() == [True, True, True, False, False]
    assert result[:3].tolist() == [0.0, 0.0, 0.0]
    assert result[3] > 0 > result[4]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("reward", [0.1, 0.7])  # their mean, and so their deviation, is rounded
def test_equal_rewards_without_a_baseline_are_the_advantages(reward: float, scale: str) -> None:
    result = advantages(np.full(3, reward), np.array([0, 1, 1]), of("none", scale))
    assert result.tolist() == [reward] * 3


@given(
    arrays(np.float64, 12, elements=st.floats(-100, 100)),
    st.sampled_from(BASELINES),
    st.sampled_from(SCALES),
    st.permutations(range(12)),
)
def test_advantages_are_finite_and_do_not_depend_on_the_order_of_samples(
    rewards: np.ndarray, baseline: str, scale: str, order: list[int]
) -> None:
    groups = np.arange(12) // 4
    whole = advantages(rewards, groups, of(baseline, scale))
    assert np.isfinite(whole).all()
    shuffled = advantages(rewards[order], groups[order], of(baseline, scale))
    np.testing.assert_allclose(shuffled, whole[order], rtol=1e-6, atol=1e-6)


@given(arrays(np.float64, 8, elements=st.floats(0, 1)), st.sampled_from(["group", "none"]))
def test_advantages_of_a_group_add_up_to_zero(rewards: np.ndarray, scale: str) -> None:
    result = advantages(rewards, np.zeros(8, int), of("mean", scale))
    assert abs(result.sum()) < 1e-6


LENGTHS = np.array([2, 20])
BOTH = np.array([True, True])


@pytest.mark.parametrize(
    ("aggregation", "expected"),
    [
        ("sequence", [1 / (2 * 2), 1 / (2 * 20)]),
        ("token", [1 / 22, 1 / 22]),
        ("constant", [1 / (2 * 32), 1 / (2 * 32)]),
    ],
)
def test_tokens_of_a_short_and_of_a_long_response_weigh_what_the_rule_says(
    aggregation: str, expected: list[float]
) -> None:
    objective = replace(Objective(), aggregation=aggregation)
    np.testing.assert_allclose(response_weights(LENGTHS, BOTH, objective, 32), expected)


@pytest.mark.parametrize(("aggregation", "expected"), [("sequence", 0.5), ("token", 0.5)])
def test_a_response_that_is_not_counted_has_no_weight_and_is_in_no_divisor(
    aggregation: str, expected: float
) -> None:
    objective = replace(Objective(), aggregation=aggregation)
    result = response_weights(LENGTHS, np.array([True, False]), objective, 32)
    assert result.tolist() == [expected, 0.0]


def test_no_counted_response_gives_weights_of_zero() -> None:
    for aggregation in ("sequence", "token", "constant"):
        objective = replace(Objective(), aggregation=aggregation)
        assert not response_weights(LENGTHS, ~BOTH, objective, 32).any()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"baseline": "median"},
            "policy.baseline = 'median': one of 'mean', 'leave_one_out'",
        ),
        ({"epsilon_high": float("nan")}, "policy.epsilon_high = nan: at least 0"),
        ({"epsilon_low": 1.5}, "policy.epsilon_low = 1.5: at most 1"),
        ({"importance_cap": 0.5}, "policy.importance_cap = 0.5: at least 1 is needed"),
        ({"importance_cap": float("inf")}, "policy.importance_cap = inf: a finite number"),
        ({"kl": "loss"}, "policy.kl = 'loss': with policy.kl_coefficient = 0.0; set both"),
        ({"kl_coefficient": 0.1}, "policy.kl = 'none': with policy.kl_coefficient = 0.1"),
    ],
)
def test_an_impossible_switch_is_refused_by_name(changes: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        replace(Objective(), **changes)
