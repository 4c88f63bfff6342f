"""What experiments are written with: the run's inputs, and one function per kind of stage."""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rft_jax.checkpoints.names import EMBEDDED
from rft_jax.derive.write import PATHS_FILE, derived_file
from rft_jax.devices.mesh_settings import MeshSettings
from rft_jax.errors import UserError
from rft_jax.evaluation.settings import EvaluateSettings
from rft_jax.files.identity import input_identity
from rft_jax.gin_settings import Config
from rft_jax.models.config import LlamaConfig
from rft_jax.pipeline.measures import Figure, Measured
from rft_jax.pipeline.settings import RunSettings
from rft_jax.pipeline.stages import FOLDER, SHORT, Argument, Given, Many, OutputOf, Stage
from rft_jax.records import Problem, to_row
from rft_jax.rft.settings import CollectSettings
from rft_jax.sampling.settings import SampleSettings
from rft_jax.training.settings import TrainSettings

VOTE, TEST_PATHS = "vote", "test paths"


@dataclass
class Plan:
    """Inputs and settings of a run, and what an experiment has asked for so far.

    Attributes:
      settings: of the run.
      config: where the stages' settings come from; an arm's own are bound in its scope, those for
        derived problems in the scope of their kind (`few_shot/evaluate.max_prompt_length = 2048`).
      model: the pretrained model.
      train_list, test_list: the problems.
      folders: digest -> folder of what earlier runs have begun.
      measured: the rows of the results, in order.
      comparisons: pairs of arms: is the left one better than the right one?
      figures: to be drawn over the rows.
      files: the problems by the names of the files they will be in.
    """

    settings: RunSettings
    config: Config
    model: Given
    train_list: Sequence[Problem]
    test_list: Sequence[Problem]
    folders: dict[str, str] = field(default_factory=dict)
    measured: list[Measured] = field(default_factory=list)
    comparisons: list[tuple[str, str]] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    files: dict[str, Sequence[Problem]] = field(default_factory=dict)
    _stages: dict[str, Stage] = field(default_factory=dict)
    _titles: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.train_problems = self._file(self.settings.train_problems, self.train_list)
        self.test_problems = self._file(self.settings.test_problems, self.test_list)

    @property
    def seeds(self) -> tuple[int, ...]:
        """Of the run."""
        return self.settings.seeds

    @property
    def stages(self) -> list[Stage]:
        """What the measured arms need, in the order in which it is to start."""
        needed: dict[str, None] = {}
        waiting = [stage for one in self.measured for stage in one.stages]
        while waiting:
            stage = waiting.pop()
            if stage.digest not in needed:
                needed[stage.digest] = None
                waiting += stage.waits_for
        return [stage for digest, stage in self._stages.items() if digest in needed]

    @property
    def has_embedded_model(self) -> bool:
        """Whether the pretrained model is the package's own."""
        return self.settings.model in ("", EMBEDDED)

    @property
    def num_samples(self) -> int:
        """Samples a problem that every sampling draws."""
        return self.config.get(SampleSettings).num_samples

    # The training problems.

    def part(self, count: int, seed: int) -> Given:
        """So many of the training problems, drawn by seed; fewer are among more."""
        if count >= len(self.train_list):
            return self.train_problems
        order = list(range(len(self.train_list)))
        random.Random(f"part/{seed}").shuffle(order)
        drawn = [self.train_list[i] for i in sorted(order[:count])]
        return self._file(f"{self.settings.train_problems}-{count}-{seed}", drawn)

    # The stages.

    def train(
        self,
        arm: str,
        seed: int,
        data: Argument,
        model: Argument | None = None,
        num_steps: Argument | int | None = None,
        shape: LlamaConfig | None = None,
        **forced: Any,
    ) -> Stage:
        """Training from the pretrained weights, or another model's.

        Args:
          num_steps: where they are not the settings'.
          shape: of a model that starts from random weights (`model` is `init:…` then).
          forced: further settings.
        """
        if isinstance(num_steps, int):
            forced["num_steps"], num_steps = num_steps, None
        settings = replace(self.config.get(TrainSettings, arm), seed=seed, **forced)
        arguments: dict[str, Argument] = {"--model": model or self.model, "--data": data}
        if num_steps is not None:
            arguments["--gin.train.num_steps"] = num_steps
        all_settings: dict[str, Any] = {"train": settings, **self._mesh(arm)}
        if shape is not None:
            all_settings["llama"] = shape
        return self._add("train", arm, seed, arguments, all_settings)

    def sample(
        self,
        arm: str,
        seed: int,
        model: Argument,
        problems: Argument | None = None,
        **forced: Any,
    ) -> Stage:
        """k paths of a model for every training problem, or other ones."""
        known = self.config.get(SampleSettings, _kind(problems), arm)
        settings = replace(known, seed=seed, **forced)
        arguments = {
            "--model": model,
            "--problems": problems or self.train_problems,
            "--name": Given(f"{arm}-{seed}"),
        }
        return self._add("sample", arm, seed, arguments, {"sample": settings, **self._mesh(arm)})

    def sample_member(
        self,
        arm: str,
        seed: int,
        k: int,
        pretrained: Argument | None = None,
        template: str | None = None,
    ) -> Stage:
        """k samples a problem of an SFT model that takes part in a union.

        Those of the run's own seeds are as many as other experiments take, which share them.
        """
        forced: dict[str, Any] = {} if template is None else {"template": template}
        sft = OutputOf(self.train(arm, seed, self.train_problems, pretrained, **forced))
        if arm == "sft" and seed in self.seeds:
            return self.sample(arm, seed, sft)
        return self.sample(arm, seed, sft, num_samples=k)

    def collect(
        self,
        arm: str,
        seed: int,
        samples: Argument | Iterable[Stage],
        problems: Argument | None = None,
        label: str = "",
        **forced: Any,
    ) -> Stage:
        """The right and distinct ones of the samples, after the human paths."""
        settings = replace(self.config.get(CollectSettings, arm), **forced)
        if isinstance(samples, Iterable):
            samples = Many(tuple(OutputOf(stage) for stage in samples))
        arguments = {"--problems": problems or self.train_problems, "--samples": samples}
        return self._add("collect", arm, seed, arguments, {"collect": settings}, label)

    def collect_first(
        self, arm: str, seed: int, samples: Stage | Sequence[Stage], k: int, **forced: Any
    ) -> OutputOf:
        """The paths among the first k samples a problem of each sampling, as training data.

        Raises:
          UserError: fewer are drawn.
        """
        if k > self.num_samples:
            raise UserError(f"k = {k}, and sample.num_samples = {self.num_samples}; draw as many")
        first = k if k < self.num_samples else 0
        stages = [samples] if isinstance(samples, Stage) else samples
        return OutputOf(self.collect(arm, seed, stages, first_samples=first, **forced), PATHS_FILE)

    def derive(
        self, kind: str, arm: str, seed: int, inputs: Mapping[str, Argument], count: int = 0
    ) -> OutputOf:
        """Other data made from what is there, by the flags of `rft derive`."""
        arguments: dict[str, Argument] = {"--kind": Given(kind)}
        arguments |= {f"--{name}": value for name, value in inputs.items()}
        arguments |= {"--count": Given(str(count)), "--seed": Given(str(seed))}
        stage = self._add("derive", arm, seed, arguments, {}, f"derive {kind}")
        return OutputOf(stage, derived_file(kind))

    def few_shot(self, arm: str, seed: int, shots: int) -> OutputOf:
        """The test problems with so many training problems before each question.

        Raises:
          UserError: there are fewer.
        """
        if not 1 <= shots <= len(self.train_list):
            raise UserError(
                f"{shots} examples in a prompt, of {len(self.train_list)} training problems; 1 or "
                "more can be drawn (shots of the experiment)"
            )
        inputs = {"problems": self.test_problems, "examples": self.train_problems}
        return self.derive("few_shot", arm, seed, inputs, shots)

    def evaluate(
        self, arm: str, seed: int, model: Argument, problems: Argument | None = None
    ) -> Stage:
        """Greedy accuracy on the test problems, or others made of them."""
        settings = self.config.get(EvaluateSettings, _kind(problems), arm)
        return self._evaluate(arm, seed, model, settings, problems=problems)

    def vote(self, arm: str, seed: int, model: Argument, problems: Argument | None = None) -> Stage:
        """maj@k and pass@k on the test problems, by the settings of scope `vote`."""
        settings = replace(self.config.get(EvaluateSettings, _kind(problems), VOTE), seed=seed)
        if settings.num_samples < 2:
            raise UserError("votes need several samples: bind vote/evaluate.num_samples")
        return self._evaluate(arm, seed, model, settings, VOTE, problems)

    # What is asked of the figures.

    def measure(
        self,
        arm: str,
        seed: int,
        model: Stage | Argument,
        label: str = "",
        series: str | tuple[str, ...] = (),
        votes: bool = False,
        test_paths: bool = False,
        problems: Argument | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        """A row of the results: the model's accuracy, and what sets the arm apart.

        Args:
          votes: whether maj@k and pass@k are measured too.
          test_paths: whether the different right paths among those samples are counted.
          problems: where it is not the test problems as they are (a few-shot prompt's).
          facts: columns of the row.
        """
        if isinstance(model, Stage):
            model = OutputOf(model)
        greedy = self.evaluate(arm, seed, model, problems)
        vote, paths = None, None
        if votes or test_paths or arm in self.settings.vote_arms:
            vote = self.vote(arm, seed, model, problems)
        if test_paths and vote is not None:
            drawn = OutputOf(vote, "samples")
            paths = self.collect(arm, seed, drawn, problems or self.test_problems, TEST_PATHS)
        lines = (series,) if isinstance(series, str) else series
        row = Measured(arm, seed, label or arm, greedy, facts or {}, lines, vote, paths)
        self.measured.append(row)

    def compare(self, a: str, b: str) -> None:
        """Asks whether arm a is better than arm b, question by question."""
        self.comparisons.append((a, b))

    def select_arms(self) -> None:
        """Keeps the conditions that `run.arms` names, or all of them.

        Raises:
          UserError: the settings name one that is not in the experiment.
        """
        known = list(dict.fromkeys(one.arm for one in self.measured))
        for name in ("arms", "vote_arms"):
            for arm in getattr(self.settings, name):
                if arm not in known:
                    raise UserError(f"run.{name} has {arm!r}; there are {', '.join(known)}")
        asked = self.settings.arms or known
        for arm in self.settings.vote_arms:
            if arm not in asked:
                raise UserError(f"run.vote_arms has {arm!r}, which is not in run.arms {asked}")
        self.measured = [one for one in self.measured if one.arm in asked]
        self.comparisons = [(a, b) for a, b in self.comparisons if a in asked and b in asked]

    def _evaluate(
        self,
        arm: str,
        seed: int,
        model: Argument,
        settings: EvaluateSettings,
        label: str = "",
        problems: Argument | None = None,
    ) -> Stage:
        if problems is not None:  # few-shot prompts begin alike
            settings = replace(settings, common_prefix=True)
        arguments = {"--model": model, "--problems": problems or self.test_problems}
        all_settings = {"evaluate": settings, **self._mesh(arm)}
        return self._add("evaluate", arm, seed, arguments, all_settings, label)

    def _mesh(self, arm: str) -> dict[str, MeshSettings]:
        return {"mesh": self.config.get(MeshSettings, arm)}

    def _file(self, spec: str, problems: Sequence[Problem]) -> Given:
        """The copy of problems in the run's folder, named by what it holds."""
        content = json.dumps([to_row(problem) for problem in problems], sort_keys=True)
        digest = hashlib.sha256(content.encode()).hexdigest()
        name = re.sub(r"\W+", "-", Path(spec).name.removesuffix(".gz").removesuffix(".jsonl"))
        given = Given(f"problems/{name}-{digest[:12]}.jsonl", digest)
        self.files[given.value] = problems
        return given

    def _add(
        self,
        command: str,
        arm: str,
        seed: int,
        arguments: dict[str, Argument],
        settings: dict[str, Any],
        label: str = "",
    ) -> Stage:
        """The stage; one that was asked for before, by whatever arm, is not done again."""
        stage = Stage(command, arm, seed, arguments, settings, label)
        named = self._titles.setdefault(stage.title, stage.digest)
        if named != stage.digest:
            raise ValueError(f"two different stages are called {stage.title!r}; give one a label")
        if folder := self.folders.get(stage.digest[:SHORT]):
            stage = replace(stage, known_folder=folder)
        return self._stages.setdefault(stage.digest, stage)


def _kind(problems: Argument | None) -> str:
    """Of derived problems, as `rft derive --kind` has it; '' for problems as they are."""
    stages = problems.stages if problems else ()
    given = stages[0].arguments.get("--kind") if stages else None
    return given.value if isinstance(given, Given) else ""


def known_folders(root: Path) -> dict[str, str]:
    """Digest -> name of the stage folders that earlier runs have made."""
    if not (root / FOLDER).is_dir():
        return {}
    names = [path.name for path in sorted((root / FOLDER).iterdir()) if path.is_dir()]
    return {name.rpartition("-")[2]: name for name in names}


def model_input(folder: Path) -> Given:
    """A model's folder as an input.

    Raises:
      UserError: there is no such folder.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; run.model names one with config.json")
    return Given(str(folder), input_identity(folder))
