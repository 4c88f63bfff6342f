"""What `rft policy` is given: models and problems, and which of them fit together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from rft_jax.checkpoints.load import LoadedModel
from rft_jax.data.sources import load_problems, problems_identity
from rft_jax.errors import UserError
from rft_jax.files.identity import input_identity, settings_identity
from rft_jax.policy.learner import Weights
from rft_jax.policy.rewards import reward_identity
from rft_jax.policy.settings import DISTILLATION, PolicySettings
from rft_jax.policy.shared_settings import RolloutSettings, UpdateSettings
from rft_jax.records import Problem
from rft_jax.training.model import starting_model
from rft_jax.training.settings import TrainSettings
from rft_jax.training.trainer import WITHOUT_EFFECT
from rft_jax.verify.answers import answers_for


@dataclass(frozen=True)
class Inputs:
    """Models and problems.

    Attributes:
      model: a model folder, where training starts.
      problems: a JSONL file or a named data set.
      reference_model: what the divergence is measured from; None for `model`.
      teacher: a model that is learnt from in the place of rewards.
      held_out: problems that accuracy is measured on; None for some of `problems`.
    """

    model: str
    problems: str
    reference_model: str | None = None
    teacher: str | None = None
    held_out: str | None = None

    def check(self, settings: PolicySettings) -> None:
        """Refuses models and problems that the settings leave without an effect, or don't have.

        Raises:
          UserError: says what to change.
        """
        if self.teacher:
            settings.check_distillation()
        elif settings.preset == DISTILLATION:
            raise UserError(f"policy.preset = {DISTILLATION!r}: --teacher is needed")
        if self.reference_model and not settings.has_reference:
            raise UserError(
                "--reference_model has no effect with policy.kl = 'none' and policy.measure_kl = "
                "False; leave it out, or set one of them"
            )
        if self.held_out and not settings.held_out:
            raise UserError(
                f"policy.held_out = 0: how many problems of {self.held_out} to measure on is needed"
            )

    def made_with(
        self, settings: PolicySettings, update: UpdateSettings, rollout: RolloutSettings
    ) -> dict[str, Any]:
        """Everything that decides the result: the content of the inputs, and settings."""
        parts: dict[str, dict[str, Any]] = {
            "policy": settings_identity(settings)
            | {"reward": [reward_identity(r) for r in settings.rewards]},
            "train": {
                n: v for n, v in settings_identity(update).items() if n not in WITHOUT_EFFECT
            },
            "sample": settings_identity(rollout) | {"answers": rollout.answers},
        }
        added = {"teacher": self.teacher and input_identity(self.teacher)}
        added["held_out"] = self.held_out and problems_identity(self.held_out)
        return {
            "command": "policy",
            "model": input_identity(self.model),
            "reference_model": self.reference_model and input_identity(self.reference_model),
            "problems": problems_identity(self.problems),
            **{name: value for name, value in added.items() if value},
            **{f"{part}.{n}": v for part, values in parts.items() for n, v in values.items()},
        }

    def load_problems(self, limit: int) -> tuple[list[Problem], list[Problem]]:
        """The problems, the first `limit` of them (0: all), and those of `held_out`.

        Raises:
          UserError: a question is in both.
        """
        problems = load_problems(self.problems)[: limit or None]
        if not self.held_out:
            return problems, []
        held_out = load_problems(self.held_out)
        questions = {problem.question for problem in problems}
        shared = [problem.id for problem in held_out if problem.question in questions]
        if shared:
            raise UserError(
                f"{self.held_out}: {len(shared):,} of its {len(held_out):,} questions are in "
                f"{self.problems} too, {shared[0]!r:.200} for one; take others, or leave "
                "--held_out away to hold out some of those"
            )
        return problems, held_out

    def load_reference(
        self, start: LoadedModel, settings: PolicySettings, train: TrainSettings, mesh: Mesh
    ) -> Weights | None:
        """What the divergence is measured from; None where it is not measured.

        The starting model itself where adapters leave its weights as they are, else a copy.

        Raises:
          UserError: the reference model has another tokenizer.
        """
        if not settings.has_reference:
            return None
        if self.reference_model is None:
            is_kept = train.lora is not None
            params = start.params if is_kept else jax.tree.map(jnp.copy, start.params)
            return Weights(params, start.config)
        return _with_same_tokens("--reference_model", self.reference_model, start, train, mesh)

    def load_teacher(self, start: LoadedModel, train: TrainSettings, mesh: Mesh) -> Weights | None:
        """The teacher, if there is one.

        Raises:
          UserError: it has another tokenizer, or is for shorter texts.
        """
        if not self.teacher:
            return None
        teacher = _with_same_tokens("--teacher", self.teacher, start, train, mesh)
        teacher.config.check_length(train.max_length)
        return teacher


def answers_for_both(problems: Sequence[Problem], held_out: Sequence[Problem], answers: str) -> str:
    """The answer format of problems and of those that are held out, where there are any.

    Raises:
      UserError: they have two.
    """
    parts = [problems, held_out] if held_out else [problems]
    formats = [answers_for([one.question for one in part], answers) for part in parts]
    if len(set(formats)) > 1:
        raise UserError(
            f"--held_out: answers to its problems are read by {formats[1]!r}, those to the others "
            f"by {formats[0]!r}; expressions and problems in words do not go together"
        )
    return formats[0]


def _with_same_tokens(
    flag: str, model: str, start: LoadedModel, train: TrainSettings, mesh: Mesh
) -> Weights:
    """A model that is not trained.

    Raises:
      UserError: its tokens are not those of the model that training starts from.
    """
    other = starting_model(model, train, mesh)
    if other.tokenizer.fingerprint != start.tokenizer.fingerprint:
        raise UserError(
            f"{model}: its tokenizer is another one than the model's; {flag} names a model with "
            "the same tokens"
        )
    if other.config.vocab_size != start.config.vocab_size:
        raise UserError(
            f"{model}: it has {other.config.vocab_size:,} tokens, the model "
            f"{start.config.vocab_size:,}; {flag} names a model with as many"
        )
    return Weights(other.params, other.config)
