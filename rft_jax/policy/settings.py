"""Settings of policy training; `shared_settings` has those of its updates and of its samples."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar

from rft_jax.checked_settings import CheckedSettings
from rft_jax.errors import UserError
from rft_jax.files.identity import added_setting
from rft_jax.gin_files import installed_gin_files
from rft_jax.gin_settings import load_config
from rft_jax.policy.switches import Objective
from rft_jax.verify.answers import answer_formats
from rft_jax.verify.programs.reading import EVALUATOR, RUNNERS

DISTILLATION = "distillation"
"""The preset where a teacher is learnt from instead of rewards."""
_PRESETS = "policy/"
# What such training leaves without effect, with the values that say so.
_OF_REWARDS: dict[str, Any] = {
    "reward": "verdict",
    "baseline": "none",
    "scale": "none",
    "epsilon_low": 0.2,
    "epsilon_high": 0.2,
    "kl": "none",
    "positive_only": False,
    "importance_cap": 0.0,
    "resample_rounds": 0,
}


@dataclass(frozen=True)
class PolicySettings(CheckedSettings):
    """How a policy is trained on its own samples. None: as the preset has it.

    Attributes:
      preset: the objective, which sets what is None below: 'grpo', 'dr_grpo', 'dapo', 'rloo',
        'raft', 'reinforce_rej', 'distillation' (with --teacher), or your own gin file.
      num_steps: steps of sampling, grading and updating.
      problems_per_step: problems sampled in a step.
      samples_per_problem: samples of each of them (the group).
      updates_per_step: optimizer steps with a step's samples, each with a random share of its
        problems and all of their samples; with more than 1 the ratio of new to old probability
        differs from 1 and is clipped.
      learning_rate: peak learning rate; train.schedule and train.warmup_steps shape it.
      reward: 'verdict' (1 for a correct answer, else 0), 'verdict_and_steps' (1 if the equations
        are correct too), your own `module:function`, or a list whose product is the reward.
      answers: where a response says its answer: 'first' or 'last' (`#### n`), 'boxed',
        'the_answer_is', 'strict', 'flexible', 'arithmetic' (after the last `=`, which 'first' means
        too where all questions are expressions), or 'program' (what it prints); what is written
        after it has no effect, unless the format takes the last answer of a response.
      timeout: CPU seconds that one symbolic comparison of answers may take; a sample that takes
        longer is undecided, and left out.
      baseline: what is subtracted from a reward: 'mean' of its group, 'leave_one_out' (mean of the
        group's other samples) or 'none'; 'signed' makes a reward from 0 to 1 one from -1 to 1, and
        leaves out problems whose samples all have the same.
      scale: what an advantage is divided by: 'none', or the standard deviation of the rewards of
        its 'group' or of the 'batch'.
      aggregation: weights of tokens in the loss: the same for every response ('sequence'), for
        every token ('token'), or for every token by the maximum length ('constant').
      epsilon_low: the ratio of new to old probability is clipped at 1 - epsilon_low.
      epsilon_high: the ratio of new to old probability is clipped at 1 + epsilon_high.
      kl: where the divergence from the reference model enters: 'none', 'reward' (k1), 'loss' (k2).
      kl_coefficient: what the divergence is multiplied by.
      positive_only: whether samples without a positive advantage are left out.
      mask_truncated: whether samples that stopped at the length limit are left out of the loss.
      importance_cap: where the sampler computes in another precision than the trainer: the most
        that the ratio of the trainer's to the sampler's probability of a token weighs its loss by,
        2 for example; 0: tokens are not weighted by it.
      resample_rounds: how often, at most, problems whose samples all have the same reward are
        replaced by others in a step; 0: they stay, with a gradient of 0.
      held_out: problems, chosen by policy.seed, that are never trained on: their greedy accuracy is
        measured; of --held_out, where it is given; 0: none.
      measure_every_steps: steps between two measurements of held-out accuracy and divergence.
      measure_kl: whether the divergence from the reference model is measured where the objective
        does without; needs a copy of its weights.
      limit: use only this many problems, the first ones; 0 for all.
      seed: seed of the order of problems and of every step's samples.
      programs: what becomes of programs: 'evaluator' evaluates them within counted budgets and
        executes nothing; 'sandbox' executes them by Python with numpy and sympy under bubblewrap
        (`bwrap`), without network and files, within limits of time and memory.
    """

    gin_name: ClassVar[str] = "policy"
    COMMON: ClassVar[tuple[str, ...]] = (
        "preset",
        "num_steps",
        "problems_per_step",
        "samples_per_problem",
        "learning_rate",
        "reward",
        "answers",
        "held_out",
        "measure_every_steps",
        "limit",
        "seed",
    )

    preset: str = "grpo"
    num_steps: int = 100
    problems_per_step: int = 32
    samples_per_problem: int = 8
    updates_per_step: int = 1
    learning_rate: float = 1e-6
    reward: str | tuple[str, ...] = "verdict"
    answers: str = "first"
    timeout: float = 5.0
    baseline: str | None = None
    scale: str | None = None
    aggregation: str | None = None
    epsilon_low: float | None = None
    epsilon_high: float | None = None
    kl: str | None = None
    kl_coefficient: float | None = None
    positive_only: bool | None = None
    mask_truncated: bool | None = None
    resample_rounds: int | None = None
    held_out: int = 128
    measure_every_steps: int = 10
    measure_kl: bool = True
    limit: int = 0
    seed: int = 0
    programs: str = added_setting(EVALUATOR)
    importance_cap: float | None = added_setting(None, becomes=0.0)

    def __post_init__(self) -> None:
        self._take_preset()
        self._check_at_least(1, "num_steps", "problems_per_step", "samples_per_problem")
        self._check_at_least(1, "updates_per_step", "measure_every_steps")
        self._check_at_least(0, "held_out", "limit", "seed", "resample_rounds")
        self._check_above(0, "timeout", "learning_rate")
        self._check_choice("answers", answer_formats())
        self._check_choice("programs", RUNNERS)
        if not self.rewards:
            self._refuse("reward", "a reward is needed")
        self._check_groups()

    def _take_preset(self) -> None:
        """The preset's value for every switch that is None, so that settings say all."""
        values = asdict(Objective()) | {"resample_rounds": 0}
        if any(getattr(self, name) is None for name in values):
            values |= _preset(self.preset, values)
        for name, value in values.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)

    def _check_groups(self) -> None:
        objective, problems = self.objective, self.problems_per_step
        if self.updates_per_step > problems:
            self._refuse("updates_per_step", f"at most problems_per_step = {problems} fit")
        in_groups = objective.baseline != "none" or objective.scale == "group"
        if in_groups and self.samples_per_problem < 2:
            kind = f"policy.baseline = {self.baseline!r}, policy.scale = {self.scale!r}"
            self._refuse("samples_per_problem", f"at least 2 are needed with {kind}")
        if self.resample_rounds and objective.baseline == "none":
            instead = "set policy.baseline, whose zero-variance groups it replaces, or 0"
            self._refuse("resample_rounds", instead)

    @property
    def samples_per_step(self) -> int:
        """Samples that a step draws, before any zero-variance group is replaced."""
        return self.problems_per_step * self.samples_per_problem

    @property
    def has_reference(self) -> bool:
        """Whether the divergence from the reference model is measured or in the objective."""
        return self.measure_kl or self.kl != "none"

    def check_distillation(self) -> None:
        """Refuses switches that have no effect where a teacher is learnt from.

        Raises:
          UserError: names one.
        """
        for name, needed in _OF_REWARDS.items():
            if getattr(self, name) != needed:
                instead = f"policy.preset = {DISTILLATION!r} leaves it at {needed!r}"
                self._refuse(name, f"has no effect with a teacher; {instead}")

    @property
    def objective(self) -> Objective:
        """The switches of the objective."""
        return Objective(**{field.name: getattr(self, field.name) for field in fields(Objective)})

    @property
    def rewards(self) -> tuple[str, ...]:
        """The rewards whose product is a sample's."""
        return (self.reward,) if isinstance(self.reward, str) else tuple(self.reward)


def _preset(name: str, switches: dict[str, Any]) -> dict[str, Any]:
    """The switches that a preset binds.

    Raises:
      UserError: there is no such preset, or it binds another setting.
    """
    installed = [n.removeprefix(_PRESETS)[:-4] for n in installed_gin_files() if _PRESETS in n]
    if name not in installed and not name.endswith(".gin"):
        raise UserError(
            f"policy.preset {name!r}: one of {', '.join(installed)} is needed, or a gin file"
        )
    file = f"{_PRESETS}{name}.gin" if name in installed else name
    bound = load_config({"policy": PolicySettings}, [file]).bound(PolicySettings)
    for other in bound.keys() - switches.keys():
        raise UserError(f"{file} binds policy.{other}; a preset binds {', '.join(switches)}")
    return bound
