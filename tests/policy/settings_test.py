"""Presets are the published objectives; what cannot be, or has no effect, is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from rft_jax.errors import UserError
from rft_jax.files.identity import settings_identity
from rft_jax.policy.settings import PolicySettings
from rft_jax.policy.switches import Objective


@pytest.mark.parametrize(
    ("preset", "objective", "rounds"),
    [
        ("grpo", Objective("mean", "group", "sequence"), 0),
        ("dr_grpo", Objective("mean", "none", "constant"), 0),
        ("dapo", Objective("mean", "group", epsilon_high=0.28, mask_truncated=True), 3),
        (
            "rloo",
            Objective("leave_one_out", "none", "constant", kl="reward", kl_coefficient=0.03),
            0,
        ),
        ("raft", Objective(positive_only=True), 0),
        ("reinforce_rej", Objective("signed", "none", "sequence"), 0),
        ("distillation", Objective(), 0),
    ],
)
def test_a_preset_names_all_switches(preset: str, objective: Objective, rounds: int) -> None:
    settings = PolicySettings(preset=preset)
    assert settings.objective == objective
    assert settings.resample_rounds == rounds


def test_a_switch_that_is_set_wins_over_the_preset_also_where_it_is_a_default() -> None:
    settings = PolicySettings(preset="dapo", epsilon_high=0.2, resample_rounds=0)
    assert settings.epsilon_high == 0.2
    assert settings.resample_rounds == 0
    assert settings.scale == "group"
    assert PolicySettings(**vars(settings)) == settings


def test_a_setting_that_came_later_changes_no_identity_until_it_is_set(tmp_path: Path) -> None:
    assert PolicySettings().importance_cap == 0.0
    assert "importance_cap" not in settings_identity(PolicySettings())
    assert settings_identity(PolicySettings(importance_cap=2.0))["importance_cap"] == 2.0
    own = tmp_path / "own.gin"
    own.write_text("policy.importance_cap = 3.0\n")
    preset = PolicySettings(preset=str(own))
    assert preset.objective.importance_cap == settings_identity(preset)["importance_cap"] == 3.0


def test_a_gin_file_of_the_users_is_a_preset(tmp_path: Path) -> None:
    own = tmp_path / "own.gin"
    own.write_text("policy.baseline = 'mean'\npolicy.aggregation = 'constant'\n")
    assert PolicySettings(preset=str(own)).objective == Objective("mean", "none", "constant")
    own.write_text("policy.learning_rate = 1.0\n")
    with pytest.raises(UserError, match=r"own.gin binds policy.learning_rate; a preset binds"):
        PolicySettings(preset=str(own))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"preset": "gpo"},
            "policy.preset 'gpo': one of dapo, distillation, dr_grpo, grpo, raft, reinforce_rej",
        ),
        ({"samples_per_problem": 1}, "samples_per_problem = 1: .* policy.baseline = 'mean'"),
        ({"updates_per_step": 33}, "updates_per_step = 33: at most problems_per_step = 32"),
        (
            {"preset": "raft", "resample_rounds": 1},
            "resample_rounds = 1: set policy.baseline",
        ),
        ({"learning_rate": float("nan")}, "policy.learning_rate = nan"),
        ({"learning_rate": 0.0}, "policy.learning_rate = 0.0: above 0 is needed"),
        ({"num_steps": 0}, "policy.num_steps = 0: at least 1"),
        ({"answers": "none"}, "policy.answers = 'none': one of 'first'"),
        ({"reward": ()}, r"policy.reward = \(\): a reward is needed"),
        ({"timeout": 0.0}, "policy.timeout = 0.0"),
    ],
)
def test_an_impossible_setting_is_refused_by_name(changes: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        PolicySettings(**changes)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (PolicySettings(), "policy.baseline = 'mean': has no effect with a teacher; policy.preset"),
        (PolicySettings(preset="raft"), "policy.positive_only = True: has no effect"),
        (
            PolicySettings(preset="distillation", reward="my:reward"),
            "policy.reward = 'my:reward': has no effect with a teacher; .* leaves it at 'verdict'",
        ),
        (
            PolicySettings(preset="distillation", kl="loss", kl_coefficient=1.0),
            "policy.kl = 'loss'",
        ),
        (
            PolicySettings(preset="distillation", epsilon_high=0.3),
            "policy.epsilon_high = 0.3: has no effect with a teacher",
        ),
    ],
)
def test_switches_of_rewards_are_refused_with_a_teacher(
    settings: PolicySettings, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        settings.check_distillation()
    PolicySettings(preset="distillation", aggregation="sequence").check_distillation()
