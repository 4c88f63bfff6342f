"""The switches of the objective of policy training, in plain Python."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rft_jax.errors import UserError

BASELINES = ("mean", "leave_one_out", "none")
SCALES = ("none", "group", "batch")
AGGREGATIONS = ("sequence", "token", "constant")
KL_TERMS = ("none", "reward", "loss")
_CHOICES = {"baseline": BASELINES, "scale": SCALES, "aggregation": AGGREGATIONS, "kl": KL_TERMS}


@dataclass(frozen=True)
class Objective:
    """The switches of the objective; the defaults are REINFORCE's without a baseline.

    Attributes:
      baseline: what is subtracted from a reward: the group's mean, the mean of the group's other
        samples, or nothing.
      scale: what an advantage is divided by: nothing, or the sample standard deviation of the
        rewards of its group or of the whole batch.
      aggregation: how tokens add up: every response has the same weight, every token has, or
        every token has that of a batch in which all responses have the maximum length.
      epsilon_low, epsilon_high: how far below and above 1 the ratio of new to old probability
        counts.
      kl: where the divergence from the reference enters: nowhere, in the reward (k1, summed over
        the response), or in the loss (k2 of every token).
      kl_coefficient: what it is multiplied by.
      positive_only: whether only samples of positive advantage are trained on.
      mask_truncated: whether samples that stopped at the length limit are left out of the loss.
    """

    baseline: str = "none"
    scale: str = "none"
    aggregation: str = "token"
    epsilon_low: float = 0.2
    epsilon_high: float = 0.2
    kl: str = "none"
    kl_coefficient: float = 0.0
    positive_only: bool = False
    mask_truncated: bool = False

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise UserError(
                    f"policy.{name} {getattr(self, name)!r}: one of {', '.join(choices)} is needed"
                )
        for name in ("epsilon_low", "epsilon_high", "kl_coefficient"):
            if not 0 <= getattr(self, name) < math.inf:
                raise UserError(f"policy.{name} is {getattr(self, name)}; 0 or more is needed")
        if self.epsilon_low > 1:
            raise UserError(f"policy.epsilon_low is {self.epsilon_low}; at most 1 is needed")
        if (self.kl != "none") != (self.kl_coefficient > 0):
            raise UserError(
                f"policy.kl is {self.kl!r} and policy.kl_coefficient {self.kl_coefficient}; set "
                "both, or 'none' and 0"
            )
