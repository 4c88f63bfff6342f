"""The switches of the objective of policy training, in plain Python."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rft_jax.checked_settings import CheckedSettings

SIGNED = "signed"
"""The baseline that makes rewards of 1 and 0 rewards of 1 and -1."""
BASELINES = ("mean", "leave_one_out", SIGNED, "none")
SCALES = ("none", "group", "batch")
AGGREGATIONS = ("sequence", "token", "constant")
KL_TERMS = ("none", "reward", "loss")
_CHOICES = {"baseline": BASELINES, "scale": SCALES, "aggregation": AGGREGATIONS, "kl": KL_TERMS}


@dataclass(frozen=True)
class Objective(CheckedSettings):
    """The switches of the objective; the defaults are REINFORCE's without a baseline.

    Attributes:
      baseline: what is subtracted from a reward: the group's mean, the mean of the group's other
        samples, or nothing; 'signed': nothing, of a reward from -1 to 1 in the place of 0 to 1, and
        groups of equal rewards are left out of the loss.
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
      importance_cap: the most that the ratio of the trainer's to the sampler's probability of a
        token weighs its loss by; 0: it weighs nothing.
    """

    gin_name: ClassVar[str] = "policy"

    baseline: str = "none"
    scale: str = "none"
    aggregation: str = "token"
    epsilon_low: float = 0.2
    epsilon_high: float = 0.2
    kl: str = "none"
    kl_coefficient: float = 0.0
    positive_only: bool = False
    mask_truncated: bool = False
    importance_cap: float = 0.0

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            self._check_choice(name, choices)
        self._check_at_least(0, "epsilon_low", "epsilon_high", "kl_coefficient")
        if self.epsilon_low > 1:
            self._refuse("epsilon_low", "at most 1 is needed")
        if self.importance_cap:
            self._check_at_least(1, "importance_cap")  # 1 is the weight where both agree
        if (self.kl != "none") != (self.kl_coefficient > 0):
            coefficient = f"policy.kl_coefficient = {self.kl_coefficient}"
            self._refuse("kl", f"with {coefficient}; set both, or 'none' and 0")
