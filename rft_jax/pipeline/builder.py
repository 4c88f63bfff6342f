"""The stages of experiments: one method per command of `rft`."""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from rft_jax.arithmetic.settings import ArithmeticSettings
from rft_jax.data.sources import problems_identity
from rft_jax.derive.write import ARITHMETIC, derived_file
from rft_jax.devices.mesh_settings import MeshSettings
from rft_jax.errors import UserError
from rft_jax.evaluation.settings import EvaluateSettings
from rft_jax.gin_settings import Config
from rft_jax.models.config import LlamaConfig
from rft_jax.pipeline.graph import StageGraph
from rft_jax.pipeline.measured_steps import saving_at
from rft_jax.pipeline.problems import chosen_problems
from rft_jax.pipeline.settings import RunSettings
from rft_jax.pipeline.stages import Argument, Given, Many, OutputOf, Stage
from rft_jax.policy.settings import PolicySettings, RolloutSettings, UpdateSettings
from rft_jax.records import Problem, to_row
from rft_jax.rft.level import level_note, with_level
from rft_jax.rft.settings import BY_DATA, CollectSettings
from rft_jax.sampling.settings import SampleSettings
from rft_jax.training.settings import TrainSettings

# Scopes of settings that a command has for one purpose: votes, and policy training.
VOTE, POLICY = "vote", "policy"


@dataclass
class StageBuilder:
    """Inputs and settings of a run, and its stages.

    A stage belongs to a condition of the experiment (`arm`, e.g. `rft_k12`) and to a seed.

    Attributes:
      settings: the run's.
      config: the stages' settings; a condition's own are bound in its scope, those for derived
        problems in the scope of their kind (`few_shot/evaluate.max_prompt_length = 2048`).
      model: the pretrained model.
      train_list, test_list: the problems.
      graph: the stages.
      files: the problems by the names of the files that the run writes them to.
      notes: lines to print before the first stage.
    """

    settings: RunSettings
    config: Config
    model: Given
    train_list: Sequence[Problem]
    test_list: Sequence[Problem]
    graph: StageGraph
    files: dict[str, Sequence[Problem]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._further_files: dict[str, Given] = {}
        self.train_problems = self.file(self.settings.train_problems, self.train_list)
        self.test_problems = self.file(self.settings.test_problems, self.test_list)

    def further(self, spec: str) -> list[Problem]:
        """Problems beside the run's own, chosen as its test problems are."""
        return chosen_problems(spec, self.settings.max_calculations, self.settings.limit)

    def further_file(self, spec: str, name: str = "") -> Given:
        """The copy of such problems in the run's folder, made once; `name` is its name there."""
        if spec not in self._further_files:
            self._further_files[spec] = self.file(name or spec, self.further(spec))
        return self._further_files[spec]

    def part(self, count: int, seed: int) -> Given:
        """`count` of the training problems, chosen at random; smaller parts are within larger."""
        if count >= len(self.train_list):
            return self.train_problems
        order = list(range(len(self.train_list)))
        random.Random(f"part/{seed}").shuffle(order)
        chosen = [self.train_list[i] for i in sorted(order[:count])]
        return self.file(f"{self.settings.train_problems}-{count}-{seed}", chosen)

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
            arguments["--gin.train.eval_data"] = _problems_input(held_out)
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
        bound = self.config.bound
        policy = self._policy_values(arm) | {"seed": seed, "num_steps": steps[-1]}
        shared = {
            "train": (UpdateSettings, bound(TrainSettings, POLICY, arm)),
            "sample": (RolloutSettings, bound(SampleSettings, POLICY, arm)),
        }
        settings: dict[str, Any] = {"policy": PolicySettings(**policy | forced)}
        others = {*UpdateSettings.ELSEWHERE, *RolloutSettings.ELSEWHERE, *RolloutSettings.NEEDED}
        for name, (kind, values) in shared.items():
            settings[name] = kind(**{n: v for n, v in values.items() if n not in others})
        settings["train"] = saving_at(settings["train"], steps)
        arguments = {"--model": model, "--problems": self.train_problems}
        if teacher is not None:
            arguments["--teacher"] = teacher
        return self._add("policy", arm, seed, arguments, settings)

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
        settings = self.config.get(SampleSettings, _kind(problems), arm)
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
            arguments["--gin.collect.decontaminate"] = _problems_input(test)
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
        kind = _kind(problems)
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
            "--samples": Many(tuple(OutputOf(vote, "samples") for vote in votes)),
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

    def file(self, spec: str, problems: Sequence[Problem]) -> Given:
        """The copy of problems in the run's folder, named by its content."""
        content = json.dumps([to_row(problem) for problem in problems], sort_keys=True)
        digest = hashlib.sha256(content.encode()).hexdigest()
        name = re.sub(r"\W+", "-", Path(spec).name.removesuffix(".gz").removesuffix(".jsonl"))
        given = Given(f"problems/{name}-{digest[:12]}.jsonl", digest)
        self.files[given.value] = problems
        return given


def _problems_input(spec: str) -> Given:
    """Problems that a setting names, from any folder."""
    path = str(Path(spec).absolute()) if Path(spec).exists() else spec
    return Given(path, problems_identity(spec))


def _kind(problems: Argument | None) -> str:
    """The kind of derived problems, as `rft derive --kind` has it; '' for others."""
    stages = problems.stages if problems else ()
    given = stages[0].arguments.get("--kind") if stages else None
    return given.value if isinstance(given, Given) else ""
