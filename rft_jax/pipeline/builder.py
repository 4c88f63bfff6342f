"""The stages of experiments: one method per command of `rft`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from rft_jax.arithmetic.settings import ArithmeticSettings
from rft_jax.derive.write import ARITHMETIC, derived_file
from rft_jax.devices.mesh_settings import MeshSettings
from rft_jax.errors import UserError
from rft_jax.evaluation.settings import EvaluateSettings
from rft_jax.files.names import SAMPLES_FOLDER
from rft_jax.gin_settings import default_values, flag_value
from rft_jax.models.config import LlamaConfig
from rft_jax.pipeline.graph import StageGraph
from rft_jax.pipeline.inputs import RunInputs, problems_input
from rft_jax.pipeline.measured_steps import saving_at
from rft_jax.pipeline.stages import Argument, Given, Many, OutputOf, Stage
from rft_jax.policy.rewards import REWARDS, reward_identity
from rft_jax.policy.settings import PolicySettings
from rft_jax.policy.shared_settings import RolloutSettings, UpdateSettings
from rft_jax.rft.level import level_note, with_level
from rft_jax.rft.settings import BY_DATA, CollectSettings
from rft_jax.sampling.settings import SampleSettings
from rft_jax.training.settings import TrainSettings

# Scopes of settings that a command has for one purpose: votes, and policy training.
VOTE, POLICY = "vote", "policy"


@dataclass
class StageBuilder(RunInputs):
    """The stages of a run, of its inputs.

    A stage belongs to a condition of the experiment (`arm`, e.g. `rft_k12`) and to a seed.

    Attributes:
      graph: the stages.
      notes: lines to print before the first stage.
    """

    graph: StageGraph
    notes: list[str] = field(default_factory=list)

    def train(
        self,
        arm: str,
        seed: int,
        data: Argument,
        model: Argument | None = None,
        num_steps: Argument | int | None = None,
        limit: Argument | None = None,
        shape: LlamaConfig | None = None,
        **forced: Any,
    ) -> Stage:
        """Training from the pretrained weights, or another model's.

        Args:
          data: training data.
          model: where training starts; None for the pretrained model.
          num_steps: optimizer steps, other than in the settings.
          limit: number of examples, the first ones; None for all.
          shape: shape of a model that starts from random weights (`model` is `init:…` then).
          forced: further settings.
        """
        if isinstance(num_steps, int):
            forced["num_steps"], num_steps = num_steps, None
        settings = replace(self.config.get(TrainSettings, arm), seed=seed, **forced)
        arguments: dict[str, Argument] = {"--model": model or self.model, "--data": data}
        if num_steps is not None:
            arguments["--gin.train.num_steps"] = num_steps
        settings.check_held_out()
        if held_out := settings.eval_data:
            arguments["--gin.train.eval_data"] = problems_input(held_out)
            settings = replace(settings, eval_data="")
        if limit is not None:
            arguments["--gin.train.limit"] = limit
        others: dict[str, Any] = {} if shape is None else {"llama": shape}
        if settings.eval_problems:
            others["evaluate"] = self.config.get(EvaluateSettings, arm).greedy()
        return self._add("train", arm, seed, arguments, {"train": settings, **others})

    def policy(
        self,
        arm: str,
        seed: int,
        model: Argument,
        steps: Sequence[int],
        teacher: Argument | None = None,
        **forced: Any,
    ) -> Stage:
        """Policy training on the training problems, by the settings of scope `policy`.

        Of training's and sampling's settings it takes those that mean the same in `rft policy`.

        Args:
          model: where training starts.
          steps: the steps whose models are kept, rising; training ends at the last.
          teacher: a model that is learnt from in the place of rewards.
          forced: further settings of policy training, a preset among them.
        """
        settings = self._policy_settings(arm, steps, {"seed": seed, **forced})
        arguments: dict[str, Argument] = {"--model": model, "--problems": self.train_problems}
        if teacher is not None:
            arguments["--teacher"] = teacher
        policy: PolicySettings = settings["policy"]
        if not REWARDS.keys() >= {*policy.rewards}:  # functions of the user's, whose content counts
            digest = "\n".join(map(reward_identity, policy.rewards))
            arguments["--gin.policy.reward"] = Given(flag_value(policy.reward), digest)
        return self._add("policy", arm, seed, arguments, settings)

    def _policy_settings(
        self, arm: str, steps: Sequence[int], forced: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The settings of policy training, of its updates and of its samples, by gin name."""
        policy = {**self._policy_values(arm), "num_steps": steps[-1], **forced}
        train = self._shared_by_trainings() | self.config.bound_in(TrainSettings, POLICY, arm)
        sample = self.config.bound(SampleSettings, POLICY, arm)
        for values, others in (
            (train, UpdateSettings.ELSEWHERE),
            (sample, (*RolloutSettings.ELSEWHERE, *RolloutSettings.OF_SAMPLES)),
        ):
            for name in others:  # those of rft train and rft sample, which mean another thing there
                values.pop(name, None)
        return {
            "policy": PolicySettings(**policy),
            "train": saving_at(UpdateSettings(**train), steps),
            "sample": RolloutSettings(**sample),
        }

    def _shared_by_trainings(self) -> dict[str, Any]:
        """What is bound for all trainings and means the same to a policy's.

        Not the template, which the model that it starts from has, and no default of rft train
        where a policy's is another one: a run's resolved settings bind all of them.
        """
        usual, own = default_values(TrainSettings), default_values(UpdateSettings)
        return {
            name: value
            for name, value in self.config.bound(TrainSettings).items()
            if name != "template" and not (value == usual[name] != own[name])
        }

    def samples_per_step(self, arm: str = "") -> int:
        """Samples of a step of a condition's policy training, without those that replace others."""
        return PolicySettings(**self._policy_values(arm)).samples_per_step

    def _policy_values(self, arm: str) -> dict[str, Any]:
        return dict(self.config.bound(PolicySettings, POLICY, arm))

    def sample(
        self,
        arm: str,
        seed: int,
        model: Argument,
        problems: Argument | None = None,
        **forced: Any,
    ) -> Stage:
        """Samples of a model for every training problem, or for other problems.

        Args:
          forced: further settings.
        """
        settings = self.config.get(SampleSettings, kind_of_problems(problems), arm)
        settings = replace(settings, seed=seed, **forced)
        arguments = {
            "--model": model,
            "--problems": problems or self.train_problems,
            "--name": Given(f"{arm}-{seed}"),
        }
        return self._add("sample", arm, seed, arguments, {"sample": settings})

    def collect(
        self,
        arm: str,
        seed: int,
        samples: Argument | Iterable[Stage],
        problems: Argument | None = None,
        label: str = "",
        **forced: Any,
    ) -> Stage:
        """The distinct correct samples, after the reference solutions.

        Args:
          problems: other problems than the training problems.
          label: the stage's name, where the command occurs twice in a condition.
          forced: further settings.
        """
        settings = replace(self.config.get(CollectSettings, arm), **forced)
        if settings.dedup == BY_DATA:
            settings = replace(settings, dedup=self._level)
        if isinstance(samples, Iterable):
            samples = Many(tuple(OutputOf(stage) for stage in samples))
        arguments = {"--problems": problems or self.train_problems, "--samples": samples}
        if test := settings.decontaminate:
            arguments["--gin.collect.decontaminate"] = problems_input(test)
            settings = replace(settings, decontaminate="")
        return self.graph.add(Stage("collect", arm, seed, arguments, {"collect": settings}, label))

    @cached_property
    def _level(self) -> str:
        """The dedup level that the training problems choose, for all conditions alike."""
        settings = replace(self.config.get(CollectSettings), dedup=BY_DATA)
        chosen = with_level(settings, self.train_list)
        if note := level_note(settings, chosen):
            self.notes.append(note)
        return chosen.dedup

    def derive(
        self,
        kind: str,
        arm: str,
        seed: int,
        inputs: Mapping[str, Argument],
        count: int = 0,
        form: str = "",
    ) -> OutputOf:
        """A derived data set.

        Args:
          kind: as `rft derive --kind` has it.
          inputs: the command's path flags, without their dashes.
          count: the command's --count.
          form: the command's --form; '' for its default.
        """
        arguments: dict[str, Argument] = {"--kind": Given(kind)}
        arguments |= {f"--{name}": value for name, value in inputs.items()}
        arguments |= {"--count": Given(str(count)), "--seed": Given(str(seed))}
        arguments |= {"--form": Given(form)} if form else {}
        stage = self.graph.add(Stage("derive", arm, seed, arguments, {}, f"derive {kind}"))
        return OutputOf(stage, derived_file(kind))

    def lines(
        self, arm: str, seed: int, form: str, count: int, settings: ArithmeticSettings
    ) -> OutputOf:
        """Lines of arithmetic with `count` tokens to pretrain on, in one of their forms."""
        words = {"kind": ARITHMETIC, "form": form, "count": str(count), "seed": str(seed)}
        arguments: dict[str, Argument] = {f"--{name}": Given(word) for name, word in words.items()}
        title = f"derive {ARITHMETIC} {form}"
        settings_of = {"arithmetic": settings}
        stage = self.graph.add(Stage("derive", arm, seed, arguments, settings_of, title))
        return OutputOf(stage, derived_file(ARITHMETIC))

    def evaluate(
        self,
        arm: str,
        seed: int,
        model: Argument,
        problems: Argument | None = None,
        scope: str = "",
        **forced: Any,
    ) -> Stage:
        """Greedy accuracy on the test problems, or on others.

        Args:
          scope: of its settings, and its name, where the condition has a greedy evaluation too.
          forced: further settings.
        """
        kind = kind_of_problems(problems)
        if scope:
            forced["seed"] = seed
        settings = replace(self.config.get(EvaluateSettings, kind, scope or arm), **forced)
        if kind:  # few-shot prompts have a common prefix
            settings = replace(settings, common_prefix=True)
        arguments = {"--model": model, "--problems": problems or self.test_problems}
        return self._add("evaluate", arm, seed, arguments, {"evaluate": settings}, scope)

    def vote(
        self, arm: str, seed: int, model: Argument, problems: Argument | None = None, **forced: Any
    ) -> Stage:
        """maj@k and pass@k on the same problems, by the settings of scope `vote`."""
        stage = self.evaluate(arm, seed, model, problems, VOTE, **forced)
        if stage.settings["evaluate"].num_samples < 2:
            raise UserError("votes need several samples: bind vote/evaluate.num_samples")
        return stage

    def vote_together(self, arm: str, seed: int, votes: Sequence[Stage]) -> Stage:
        """Votes over the samples of several votes on the same problems, together.

        By the settings and the k of the first one; the curve ends with all samples.
        """
        settings: EvaluateSettings = votes[0].settings["evaluate"]
        total = sum(vote.settings["evaluate"].num_samples for vote in votes)
        k = settings.k or settings.num_samples
        curve = (*settings.curve, total) if settings.curve else ()
        settings = replace(settings.without_sampling(), k=k, curve=curve)
        arguments = {
            "--samples": Many(tuple(OutputOf(vote, SAMPLES_FOLDER) for vote in votes)),
            "--problems": votes[0].arguments["--problems"],
        }
        return self.graph.add(Stage("evaluate", arm, seed, arguments, {"evaluate": settings}, VOTE))

    def _add(
        self,
        command: str,
        arm: str,
        seed: int,
        arguments: Mapping[str, Argument],
        settings: Mapping[str, Any],
        label: str = "",
    ) -> Stage:
        """A stage of a command that computes on the mesh."""
        meshed = {**settings, "mesh": self.config.get(MeshSettings, arm)}
        return self.graph.add(Stage(command, arm, seed, arguments, meshed, label))


def kind_of_problems(problems: Argument | None) -> str:
    """The kind of derived problems, as `rft derive --kind` has it; '' for others."""
    stages = problems.stages if problems else ()
    given = stages[0].arguments.get("--kind") if stages else None
    return given.value if isinstance(given, Given) else ""
