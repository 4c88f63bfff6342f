"""A stage: one `rft` command, named by the hash of everything that determines its output.

A stage's arguments exist before the run (`Given`) or are outputs of other stages (`OutputOf`,
`StepsOf`), which determines what it waits for. The same command on the same inputs is the same
stage, so work that several conditions or experiments share is done once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from rft_jax.files import outputs
from rft_jax.files.identity import settings_identity
from rft_jax.files.jsonl import read_json, read_rows
from rft_jax.files.names import STEPS_FILE, TRAINING_DATA_FILE
from rft_jax.gin_settings import flag_value

FOLDER = "stages"
# Settings whose default goes by the model in a command of its own: named also if they have it.
_LENGTHS = ("max_length", "max_new_tokens")
SHORT = 12
"""The number of hex digits of a stage's digest at the end of its folder's name."""


@dataclass(frozen=True)
class Given:
    """A file, folder or word that exists before the run; `digest` identifies its content."""

    value: str
    digest: str = ""
    stages: tuple[Stage, ...] = ()

    @property
    def identity(self) -> str:
        return self.digest or self.value

    def resolve(self, _root: Path) -> str:
        return self.value


@dataclass(frozen=True)
class _OfStage:
    stage: Stage

    @property
    def stages(self) -> tuple[Stage, ...]:
        return (self.stage,)


@dataclass(frozen=True)
class OutputOf(_OfStage):
    """The output of a stage: its folder, or a file in it."""

    file: str = ""

    @property
    def identity(self) -> str:
        return f"{self.stage.digest}/{self.file}"

    def resolve(self, _root: Path) -> str:
        return str(self.stage.folder / self.file)


@dataclass(frozen=True)
class Many:
    """The values of a repeated flag."""

    values: tuple[Argument, ...]

    @property
    def stages(self) -> tuple[Stage, ...]:
        return tuple(stage for value in self.values for stage in value.stages)

    @property
    def identity(self) -> str:
        return json.dumps([value.identity for value in self.values])

    def resolve(self, root: Path) -> list[str]:
        return [str(value.resolve(root)) for value in self.values]


@dataclass(frozen=True)
class StepsOf(_OfStage):
    """The number of optimizer steps of a training, determined once it is finished."""

    @property
    def identity(self) -> str:
        return f"steps of {self.stage.digest}"

    def resolve(self, root: Path) -> str:
        if not self.stage.is_complete(root):
            return "STEPS"
        return str(training_steps(root / self.stage.folder))


@dataclass(frozen=True)
class ExamplesOf(_OfStage):
    """The number of examples that a training read, determined once it is finished."""

    @property
    def identity(self) -> str:
        return f"examples of {self.stage.digest}"

    def resolve(self, root: Path) -> str:
        if not self.stage.is_complete(root):
            return "EXAMPLES"
        return str(read_json(root / self.stage.folder / TRAINING_DATA_FILE)["examples"])


Argument = Given | OutputOf | Many | StepsOf | ExamplesOf
"""A flag's value.

`stages` determine it, `identity` is its content, independent of its location, and `resolve` gives
it as typed in the run's folder: a placeholder until it is determined, a list for a repeated flag.
"""


def training_steps(folder: Path) -> int:
    """The number of optimizer steps of a finished training, from its folder."""
    return max(row["step"] for _, row in read_rows(folder / STEPS_FILE))


@dataclass(frozen=True, eq=False)
class Stage:
    """One command of an experiment.

    Attributes:
      command: `train`, `sample`, `collect`, `evaluate` or another command of `rft`.
      arm: the condition that it belongs to.
      seed: the run's seed that it belongs to.
      arguments: the flags except --output, by name; `--gin.…` too where another stage determines
        the value.
      settings: settings instances by gin name.
      label: its name in the title, where a command occurs twice in a condition.
      known_folder: name of the folder that an earlier run made for the same work under another
        title.
    """

    command: str
    arm: str
    seed: int
    arguments: Mapping[str, Argument]
    settings: Mapping[str, Any] = field(default_factory=dict)
    label: str = ""
    known_folder: str = ""

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of the command, its settings and its inputs; the mesh does not count."""
        content = {
            "command": self.command,
            "arguments": {name: value.identity for name, value in self.arguments.items()},
            "settings": {
                name: settings_identity(value)
                for name, value in self.settings.items()
                if name != "mesh"
            },
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    @property
    def title(self) -> str:
        """The stage's name for readers, e.g. `sft-0 train`."""
        return f"{self.arm}-{self.seed} {self.label or self.command}"

    @property
    def folder(self) -> Path:
        """Its output folder, relative to the run's."""
        name = self.known_folder or f"{self.title.replace(' ', '-')}-{self.digest[:SHORT]}"
        return Path(FOLDER) / name

    @property
    def log(self) -> Path:
        """The file of its printed output, relative to the run's folder."""
        return self.folder.with_name(f"{self.folder.name}.log")

    @property
    def waits_for(self) -> tuple[Stage, ...]:
        """The stages whose outputs it reads."""
        return tuple(stage for value in self.arguments.values() for stage in value.stages)

    def is_complete(self, root: Path) -> bool:
        """Whether this or an earlier run has finished it."""
        return (root / self.folder / outputs.COMPLETE).exists()

    def words(self, root: Path) -> list[str]:
        """The command line after `rft`, as typed in the run's folder `root`."""
        words = [self.command]
        for name, value in self.arguments.items():
            texts = value.resolve(root)
            for text in [texts] if isinstance(texts, str) else texts:
                words += [f"{name}={text}"] if name.startswith("--gin.") else [name, text]
        words += ["--output", str(self.folder)]
        for name, settings in self.settings.items():
            changed = [
                one.name
                for one in fields(settings)
                if getattr(settings, one.name) != one.default or one.name in _LENGTHS
            ]
            flags = {f"--gin.{name}.{one}": getattr(settings, one) for one in changed}
            words += [
                f"{flag}={flag_value(value)}"
                for flag, value in flags.items()
                if flag not in self.arguments
            ]
        return words
