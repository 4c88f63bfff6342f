"""The stages of a plan, each of them once, and the folders that earlier runs made for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from rft_jax.pipeline.stages import FOLDER, SHORT, Stage


class StageGraph:
    """Stages in the order in which they were added.

    Args:
      folders: short digest -> name of the folders that earlier runs made.

    Attributes:
      added: the stages as they were added, those that do the same work among them.
    """

    def __init__(self, folders: Mapping[str, str]) -> None:
        self._folders = folders
        self._stages: dict[str, Stage] = {}
        self.added: list[Stage] = []
        self._digests: dict[str, str] = {}  # by title

    def add(self, stage: Stage) -> Stage:
        """The stage, or the one that was added before and does the same work.

        Raises:
          ValueError: a different stage has the same title.
        """
        if self._digests.setdefault(stage.title, stage.digest) != stage.digest:
            raise ValueError(f"two different stages are called {stage.title!r}; give one a label")
        self.added.append(stage)
        if folder := self._folders.get(stage.digest[:SHORT]):
            stage = replace(stage, known_folder=folder)
        return self._stages.setdefault(stage.digest, stage)

    def needed_for(self, ends: Iterable[Stage]) -> list[Stage]:
        """These stages and all that they depend on, in the order in which they were added."""
        needed: set[str] = set()
        waiting = list(ends)
        while waiting:
            stage = waiting.pop()
            if stage.digest not in needed:
                needed.add(stage.digest)
                waiting += stage.waits_for
        return [stage for digest, stage in self._stages.items() if digest in needed]


def known_folders(root: Path) -> dict[str, str]:
    """Short digest -> name of the stage folders that earlier runs made in a run's folder."""
    if not (root / FOLDER).is_dir():
        return {}
    names = [path.name for path in sorted((root / FOLDER).iterdir()) if path.is_dir()]
    return {name.rpartition("-")[2]: name for name in names}
