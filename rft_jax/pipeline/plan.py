"""What experiments are written with: the run's inputs, and one function per kind of stage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from rft_jax.errors import UserError
from rft_jax.evaluation.settings import EvaluateSettings
from rft_jax.gin_settings import Config
from rft_jax.mesh_settings import MeshSettings
from rft_jax.pipeline.settings import RunSettings
from rft_jax.pipeline.stages import Argument, Given, OutputOf, Stage
from rft_jax.rft.settings import CollectSettings
from rft_jax.sampling.settings import SampleSettings
from rft_jax.training.settings import TrainSettings


@dataclass
class Plan:
    """Inputs and settings of a run, and the stages that an experiment has asked for so far.

    Attributes:
      settings: of the run.
      config: where the stages' settings come from; an arm's own are bound in its scope.
      model: the pretrained model.
      train_problems: what is trained on and sampled.
      test_problems: what the figures are about.
      stages: in the order in which they are to start; one for each distinct piece of work.
    """

    settings: RunSettings
    config: Config
    model: Given
    train_problems: Given
    test_problems: Given
    stages: list[Stage] = field(default_factory=list)

    def train(self, arm: str, seed: int, data: Argument, **more: Argument) -> Stage:
        """Training from the pretrained weights; `more` are settings that other stages decide."""
        settings = replace(self.config.get(TrainSettings, arm), seed=seed)
        arguments: dict[str, Argument] = {"--model": self.model, "--data": data}
        arguments |= {f"--gin.train.{name}": value for name, value in more.items()}
        return self._add("train", arm, seed, arguments, {"train": settings, **self._mesh(arm)})

    def sample(self, arm: str, seed: int, model: Argument) -> Stage:
        """k paths of a model for every training problem."""
        settings = replace(self.config.get(SampleSettings, arm), seed=seed)
        arguments = {
            "--model": model,
            "--problems": self.train_problems,
            "--name": Given(f"{arm}-{seed}"),
        }
        return self._add("sample", arm, seed, arguments, {"sample": settings, **self._mesh(arm)})

    def collect(self, arm: str, seed: int, samples: Stage, **forced: Any) -> Stage:
        """The right and distinct ones of a stage's samples, after the human paths."""
        settings = replace(self.config.get(CollectSettings, arm), **forced)
        arguments: dict[str, Argument] = {
            "--problems": self.train_problems,
            "--samples": OutputOf(samples),
        }
        return self._add("collect", arm, seed, arguments, {"collect": settings})

    def oracle(self, arm: str, seed: int, paths: Argument) -> Stage:
        """The generator's own paths, as many as were kept in `paths`."""
        arguments = {
            "--problems": self.train_problems,
            "--paths": paths,
            "--seed": Given(str(seed)),
        }
        return self._add("oracle", arm, seed, arguments, {})

    def evaluate(self, arm: str, seed: int, model: Argument) -> Stage:
        """Greedy accuracy on the test problems."""
        settings = self.config.get(EvaluateSettings, arm)
        return self._evaluate(arm, seed, model, settings)

    def vote(self, arm: str, seed: int, model: Argument) -> Stage:
        """maj@k and pass@k on the test problems, by the settings of scope `vote`."""
        settings = replace(self.config.get(EvaluateSettings, "vote"), seed=seed)
        if settings.num_samples < 2:
            raise UserError("run.vote_arms needs several samples: bind vote/evaluate.num_samples")
        return self._evaluate(arm, seed, model, settings, "vote")

    def _evaluate(
        self, arm: str, seed: int, model: Argument, settings: EvaluateSettings, label: str = ""
    ) -> Stage:
        arguments = {"--model": model, "--problems": self.test_problems}
        all_settings = {"evaluate": settings, **self._mesh(arm)}
        return self._add("evaluate", arm, seed, arguments, all_settings, label)

    def _mesh(self, arm: str) -> dict[str, MeshSettings]:
        return {"mesh": self.config.get(MeshSettings, arm)}

    def _add(
        self,
        command: str,
        arm: str,
        seed: int,
        arguments: dict[str, Argument],
        settings: dict[str, Any],
        label: str = "",
    ) -> Stage:
        stage = Stage(command, arm, seed, arguments, settings, label)
        for known in self.stages:
            if known.digest == stage.digest:
                return known
        self.stages.append(stage)
        return stage


Experiment = Callable[[Plan], None]
