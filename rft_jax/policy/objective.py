"""What a step of policy training maximises: advantages of samples, weights of their tokens.

One objective with named switches; GRPO, Dr. GRPO, DAPO, RLOO, RAFT and Reinforce-Rej are settings
of it. A group is the samples of one problem. With a baseline, a group of equal rewards (a
zero-variance group) has advantages and weights of exactly 0, so that no term of the loss moves the
policy by it.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

from rft_jax.policy.switches import SIGNED, Objective

# Rewards this close, relative to the largest or in all, are equal: divided by their standard
# deviation, rounding errors would be advantages of 1.
_EQUAL, _NOTHING = 1e-6, 1e-12


def zero_variance(
    rewards: Float[np.ndarray, " M"], groups: Int[np.ndarray, " M"]
) -> Bool[np.ndarray, " M"]:
    """Whether a sample's group has equal rewards.

    Args:
      rewards: of all samples.
      groups: the index of each sample's group.
    """
    _, number = np.unique(groups, return_inverse=True)
    highest = np.full(number.max(initial=-1) + 1, -np.inf)
    lowest = np.full_like(highest, np.inf)
    np.maximum.at(highest, number, rewards)
    np.minimum.at(lowest, number, rewards)
    size = np.maximum(np.abs(highest), np.abs(lowest))
    return (highest - lowest <= np.maximum(_EQUAL * size, _NOTHING))[number]


def advantages(
    rewards: Float[np.ndarray, " M"], groups: Int[np.ndarray, " M"], objective: Objective
) -> Float[np.ndarray, " M"]:
    """The advantage of every sample, in float64.

    GRPO (arXiv 2402.03300, § 4.1) is baseline `mean` with scale `group`; Dr. GRPO (2503.20783)
    leaves the scale out; RLOO (2402.14740) is baseline `leave_one_out`; Reinforce-Rej (2504.11343)
    is baseline `signed`: 2 r - 1.

    Args:
      rewards: of all samples.
      groups: the index of each sample's group.
    """
    rewards = np.asarray(rewards, np.float64)
    _, number, counts = np.unique(groups, return_inverse=True, return_counts=True)
    sums = np.bincount(number, rewards, len(counts))
    count = counts[number]
    result = rewards.copy()
    if objective.baseline == "mean":
        result -= (sums / counts)[number]
    elif objective.baseline == "leave_one_out":
        result -= (sums[number] - rewards) / np.maximum(count - 1, 1)
    elif objective.baseline == SIGNED:
        result = 2 * result - 1
    if objective.scale == "batch" and len(rewards) > 1:
        is_equal = zero_variance(rewards, np.zeros_like(number))[0]
        result /= 1.0 if is_equal else np.std(rewards, ddof=1)
    elif objective.scale == "group":
        squares = np.bincount(number, (rewards - (sums / counts)[number]) ** 2, len(counts))
        deviation = np.sqrt(squares / np.maximum(counts - 1, 1))[number]
        result /= np.where(zero_variance(rewards, groups), 1.0, deviation)
    if objective.baseline != "none":
        result[zero_variance(rewards, groups)] = 0.0
    return result


def response_weights(
    lengths: Int[np.ndarray, " M"],
    counted: Bool[np.ndarray, " M"],
    objective: Objective,
    longest: int,
) -> Float[np.ndarray, " M"]:
    """The weight in the loss of every token of each response.

    They add up to 1 over all tokens of the counted responses (`sequence`, `token`), or to their
    mean length over the longest possible one (`constant`).

    Args:
      lengths: tokens with loss of each response.
      counted: which responses the loss is a mean over; the others have weight 0.
      objective: its aggregation.
      longest: maximum tokens of a response.
    """
    number = max(int(counted.sum()), 1)
    if objective.aggregation == "sequence":
        each = 1.0 / (number * np.maximum(lengths, 1))
    elif objective.aggregation == "token":
        each = np.full(len(lengths), 1.0 / max(int(lengths[counted].sum()), 1))
    else:
        each = np.full(len(lengths), 1.0 / (number * longest))
    return np.where(counted, each, 0.0)
