"""What a run is given: settings, model and problems, with the copies of these in its folder."""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rft_jax.data.sources import problems_identity
from rft_jax.gin_settings import Config
from rft_jax.pipeline.problems import chosen_problems
from rft_jax.pipeline.settings import RunSettings
from rft_jax.pipeline.stages import Given
from rft_jax.records import Problem, to_row


@dataclass
class RunInputs:
    """Settings, model and problems of a run.

    Attributes:
      settings: the run's.
      config: the stages' settings; a condition's own are bound in its scope, those for derived
        problems in the scope of their kind (`few_shot/evaluate.max_prompt_length = 2048`).
      model: the pretrained model.
      train_list, test_list: the problems.
      files: the problems by the names of the files that the run writes them to.
    """

    settings: RunSettings
    config: Config
    model: Given
    train_list: Sequence[Problem]
    test_list: Sequence[Problem]
    files: dict[str, Sequence[Problem]] = field(init=False, default_factory=dict)

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

    def file(self, spec: str, problems: Sequence[Problem]) -> Given:
        """The copy of problems in the run's folder, named by its content."""
        content = json.dumps([to_row(problem) for problem in problems], sort_keys=True)
        digest = hashlib.sha256(content.encode()).hexdigest()
        name = re.sub(r"\W+", "-", Path(spec).name.removesuffix(".gz").removesuffix(".jsonl"))
        given = Given(f"problems/{name}-{digest[:12]}.jsonl", digest)
        self.files[given.value] = problems
        return given


def problems_input(spec: str) -> Given:
    """Problems that a setting names, from any folder."""
    path = str(Path(spec).absolute()) if Path(spec).exists() else spec
    return Given(path, problems_identity(spec))
