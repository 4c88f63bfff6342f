"""A stage: one `rft` command, named by the hash of everything that decides what it makes.

A stage's arguments are what is there before the run (`Given`) or what other stages make
(`OutputOf`, `StepsOf`); what it waits for follows from them. The same command on the same inputs is
the same stage, so work that several arms or experiments share is done once and never again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from rft_jax.files import outputs
from rft_jax.files.jsonl import read_rows
from rft_jax.gin_settings import flag_value

FOLDER = "stages"
SHORT = 12
"""Hex digits of a stage's digest that end its folder's name."""


class Argument(Protocol):
    """A flag's value."""

    @property
    def stages(self) -> tuple[Stage, ...]:
        """What has to be finished before the value is known."""

    @property
    def identity(self) -> str:
        """What the value stands for, whatever the place where it lies."""

    def resolve(self, root: Path) -> str | list[str]:
        """The value as it is typed in the run's folder `root`; a word before it is known.

        Several values are a flag that is typed as often.
        """


@dataclass(frozen=True)
class Given:
    """A file, folder or word that is there before the run; a digest says what is in it."""

    value: str
    digest: str = ""
    stages: tuple[Stage, ...] = ()

    @property
    def identity(self) -> str:
        return self.digest or self.value

    def resolve(self, root: Path) -> str:
        del root
        return self.value


@dataclass(frozen=True)
class OutputOf:
    """What a stage writes: its folder, or a file in it."""

    stage: Stage
    file: str = ""

    @property
    def stages(self) -> tuple[Stage, ...]:
        return (self.stage,)

    @property
    def identity(self) -> str:
        return f"{self.stage.digest}/{self.file}"

    def resolve(self, root: Path) -> str:
        del root
        return str(self.stage.folder / self.file)


@dataclass(frozen=True)
class Many:
    """The values of a flag that is typed several times."""

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
class StepsOf:
    """How many optimizer steps a training took; known once it is finished."""

    stage: Stage

    @property
    def stages(self) -> tuple[Stage, ...]:
        return (self.stage,)

    @property
    def identity(self) -> str:
        return f"steps of {self.stage.digest}"

    def resolve(self, root: Path) -> str:
        if not self.stage.is_complete(root):
            return "STEPS"
        return str(training_steps(root / self.stage.folder))


def training_steps(folder: Path) -> int:
    """Optimizer steps of a finished training's folder."""
    return max(row["step"] for _, row in read_rows(folder / "metrics.jsonl"))


@dataclass(frozen=True, eq=False)
class Stage:
    """One command of an experiment.

    Attributes:
      command: `train`, `sample`, `collect`, `evaluate` or another of `rft`.
      arm: whose it is.
      seed: of the run.
      arguments: the path flags but for --output, by name; `--gin.…` too where another stage
        decides the value.
      settings: settings instances by gin name.
      label: what it is for, where a command occurs twice in an arm.
      known_folder: its name where an earlier run has begun the same work, under whatever title.
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
        """SHA-256 (hex) of the command, its settings and its inputs; on which mesh is no matter."""
        content = {
            "command": self.command,
            "arguments": {name: value.identity for name, value in self.arguments.items()},
            "settings": {n: asdict(value) for n, value in self.settings.items() if n != "mesh"},
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    @property
    def title(self) -> str:
        """What people call it, e.g. `sft-0 train`."""
        return f"{self.arm}-{self.seed} {self.label or self.command}"

    @property
    def folder(self) -> Path:
        """Its output, from the run's folder."""
        name = self.known_folder or f"{self.title.replace(' ', '-')}-{self.digest[:SHORT]}"
        return Path(FOLDER) / name

    @property
    def log(self) -> Path:
        """All that it printed, from the run's folder."""
        return self.folder.with_name(f"{self.folder.name}.log")

    @property
    def waits_for(self) -> tuple[Stage, ...]:
        """The stages whose output it reads."""
        return tuple(stage for value in self.arguments.values() for stage in value.stages)

    def is_complete(self, root: Path) -> bool:
        """Whether it was finished, now or in an earlier run."""
        return (root / self.folder / outputs.COMPLETE).exists()

    def words(self, root: Path) -> list[str]:
        """The command line after `rft`, as typed in the run's folder."""
        words = [self.command]
        for name, value in self.arguments.items():
            texts = value.resolve(root)
            for text in [texts] if isinstance(texts, str) else texts:
                words += [f"{name}={text}"] if name.startswith("--gin.") else [name, text]
        words += ["--output", str(self.folder)]
        for name, settings in self.settings.items():
            changed = [f.name for f in fields(settings) if getattr(settings, f.name) != f.default]
            flags = {f"--gin.{name}.{one}": getattr(settings, one) for one in changed}
            words += [
                f"{flag}={flag_value(value)}"
                for flag, value in flags.items()
                if flag not in self.arguments
            ]
        return words
