"""Settings of training and sampling in `rft policy`: what another setting decides is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from rft_jax.errors import UserError
from rft_jax.policy.settings import PolicySettings
from rft_jax.policy.shared_settings import RolloutSettings, UpdateSettings


@dataclass(frozen=True)
class Extended(RolloutSettings):
    """Those of a sampling method that is added to the package."""

    min_p: float = 0.0


@pytest.mark.parametrize(
    ("name", "value", "needed"),
    [
        ("temperature", 0.7, "1.0"),
        ("temperature", 0.0, "1.0"),
        ("top_p", 0.9, "1.0"),
        ("top_k", 5, "0"),
        ("min_p", 0.1, "0.0"),
        ("calculator", True, "False"),
    ],
)
def test_another_distribution_than_the_policys_is_refused(
    name: str, value: float, needed: str
) -> None:
    changes: dict[str, Any] = {name: value}
    with pytest.raises(UserError, match=rf"sample.{name} = {value}: rft policy needs {needed}"):
        Extended(**changes)


def test_a_setting_that_another_one_decides_is_refused_with_its_name() -> None:
    with pytest.raises(UserError, match=r"train.learning_rate = 0.1: .*no effect .*policy.learn"):
        UpdateSettings(learning_rate=0.1)
    with pytest.raises(UserError, match=r"sample.num_samples = 4: .*policy.samples_per_problem"):
        RolloutSettings(num_samples=4)
    with pytest.raises(UserError, match=r"train.tokenizer = 'other': .*no effect .*set --model"):
        UpdateSettings(tokenizer="other")


@pytest.mark.parametrize(
    ("changes", "instead"),
    [
        ({"answers": "boxed"}, "policy.answers"),
        ({"enough": 2}, "policy.resample_rounds"),
        ({"round_size": 2}, "policy.resample_rounds"),
        ({"average": 8.0}, "policy.resample_rounds"),
        ({"span_hosts": True}, "mesh"),
    ],
)
def test_settings_of_sampling_that_a_policy_does_without_are_refused(
    changes: dict, instead: str
) -> None:
    with pytest.raises(UserError, match=rf"sample.{next(iter(changes))} = .*; set {instead}"):
        RolloutSettings(**changes)


def test_settings_are_completed_by_those_of_the_policy() -> None:
    policy = PolicySettings(learning_rate=0.5, num_steps=3, seed=4, samples_per_problem=5)
    train = UpdateSettings(batch_size=2).complete(policy)
    assert (train.learning_rate, train.num_steps, train.seed) == (0.5, 3, 4)
    assert (train.batch_size, train.schedule, train.warmup_ratio) == (2, "constant", 0.0)
    sample = RolloutSettings(max_new_tokens=7).complete(policy)
    assert (sample.num_samples, sample.temperature, sample.max_new_tokens) == (5, 1.0, 7)
