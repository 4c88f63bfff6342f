"""Settings that `rft policy` shares with `rft train` and `rft sample`: those that mean the same."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar

from rft_jax.policy.settings import PolicySettings
from rft_jax.sampling.settings import SampleSettings
from rft_jax.training.settings import TrainSettings


@dataclass(frozen=True)
class UpdateSettings(TrainSettings):
    """How a step's samples update the weights: as rft train has it.

    Attributes:
      batch_size: rows of max_length tokens that are computed together; a step takes as many of
        these microbatches as its samples fill.
    """

    COMMON: ClassVar[tuple[str, ...]] = (
        "batch_size",
        "max_length",
        "template",
        "dtype",
        "lora_rank",
        "save_every_steps",
    )

    schedule: str = "constant"
    warmup_ratio: float = 0.0
    batch_size: int = 16
    save_every_steps: int = 10

    ELSEWHERE: ClassVar[dict[str, str]] = {
        "learning_rate": "policy.learning_rate",
        "num_steps": "policy.num_steps",
        "num_epochs": "policy.num_steps",
        "curriculum": "policy.num_steps",
        "seed": "policy.seed",
        "limit": "policy.limit",
        "tokenizer": "--model, which has one",
        "gradient_accumulation": "train.batch_size",
        "question_weights": "policy.aggregation",
        "over_long": "sample.over_long",
        "eval_data": "policy.held_out",
        "eval_problems": "policy.held_out",
        "eval_every_steps": "policy.measure_every_steps",
        "export_checkpoint": "train.keep_checkpoints",
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_at_least(1, "batch_size")
        _check_here(self)

    def complete(self, policy: PolicySettings) -> TrainSettings:
        """All settings of training, those of the policy's among them."""
        own = {field.name: getattr(self, field.name) for field in fields(TrainSettings)}
        forced = {name: getattr(policy, name) for name in ("learning_rate", "num_steps", "seed")}
        return TrainSettings(**own | forced)


@dataclass(frozen=True)
class RolloutSettings(SampleSettings):
    """How a step's samples are made: as rft sample has it, at temperature 1 without truncation.

    Attributes:
      temperature: 1; at another one the samples would not be the policy's.
      top_p: 1, for the same reason.
      top_k: 0, for the same reason.
    """

    COMMON: ClassVar[tuple[str, ...]] = ("max_new_tokens", "slots", "dtype")

    temperature: float = 1.0

    ELSEWHERE: ClassVar[dict[str, str]] = {
        "num_samples": "policy.samples_per_problem",
        "seed": "policy.seed",
        "limit": "policy.limit",
        "template": "train.template",
        "answers": "policy.answers",
        "span_hosts": "mesh.*, whose devices sample and train",
        **dict.fromkeys(("budget", "enough", "round_size", "average"), "policy.resample_rounds"),
    }
    # Those of rft sample's distribution, which an experiment's policy training does not take over.
    OF_SAMPLES: ClassVar[tuple[str, ...]] = ("temperature", "top_p", "top_k")
    # They leave the distribution of a token as it is; any other setting has to be the default.
    OWN: ClassVar[tuple[str, ...]] = (
        *("max_new_tokens", "stop", "max_prompt_length", "over_long", "common_prefix"),
        *("slots", "group", "chunk", "dtype", "cache_dtype", "shard_weights"),
    )

    def __post_init__(self) -> None:
        _check_here(self)
        super().__post_init__()
        for field in fields(self):
            if field.name not in self.OWN and getattr(self, field.name) != field.default:
                of = "the distribution that is sampled from"
                self._refuse(
                    field.name, f"rft policy needs {field.default!r}: its gradient is that of {of}"
                )

    def complete(self, policy: PolicySettings) -> SampleSettings:
        """All settings of sampling, those of the policy's among them."""
        own = {field.name: getattr(self, field.name) for field in fields(SampleSettings)}
        return SampleSettings(**own | {"num_samples": policy.samples_per_problem})


def _check_here(settings: UpdateSettings | RolloutSettings) -> None:
    """Refuses settings that another one of `rft policy` decides.

    Raises:
      UserError: names that one.
    """
    for field in fields(settings):
        instead = settings.ELSEWHERE.get(field.name)
        if instead and getattr(settings, field.name) != field.default:
            settings._refuse(field.name, f"it has no effect in rft policy; set {instead}")
