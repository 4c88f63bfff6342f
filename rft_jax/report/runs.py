"""What runs left on disk, found and read: the pages and notebooks see nothing else.

A folder is a whole run (`run.json` with its stages, `results.json`) or a single stage, told apart
by its files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rft_jax.errors import UserError
from rft_jax.files.jsonl import read_json, read_rows
from rft_jax.files.outputs import SETTINGS

# The file by which a stage is known, in the order of asking: evaluations hold samples too.
STAGE_FILES = {
    "evaluate": "metrics.json",
    "collect": "ledger.jsonl",
    "train": "metrics.jsonl",
    "sample": "samples-*",
}


@dataclass(frozen=True)
class Stage:
    """One stage's folder.

    Attributes:
      name: as the run calls it.
      command: `train`, `sample`, `collect` or `evaluate`.
      arm: which model of the experiment it made or measured, e.g. `sft`.
      seed: of the repetition; None where it serves all.
      label: what it is for, where a command occurs twice in an arm.
      typed: its command as one would type it in the run's folder.
    """

    name: str
    folder: Path
    command: str
    arm: str
    seed: int | None
    label: str = ""
    typed: str = ""


@dataclass(frozen=True)
class Run:
    """One run: its stages and its results.

    Attributes:
      rows: of `results.json`, a model and seed each.
      comparisons: of `results.json`.
      figures: of `results.json`, an experiment's.
      labels: arm -> its name for people.
      costs: of `costs.json`.
      seconds: stage -> how long it took, as far as is known.
      notes: sentences to show where the figures stand (what the pretrained model has seen).
    """

    name: str
    folder: Path
    stages: tuple[Stage, ...]
    rows: tuple[Mapping[str, Any], ...] = ()
    comparisons: tuple[Mapping[str, Any], ...] = ()
    figures: tuple[Mapping[str, Any], ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    costs: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, Any] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)

    def arm_name(self, arm: str) -> str:
        """An arm in words; one that nothing is said of keeps its own name."""
        return self.labels.get(arm, arm)

    def of(self, command: str) -> Iterator[Stage]:
        """The stages of one command that left their file, each folder once."""
        seen: set[Path] = set()
        for stage in self.stages:
            if stage.command == command and stage.folder not in seen:
                seen.add(stage.folder)
                if any(stage.folder.glob(STAGE_FILES[command])):
                    yield stage


def read_run(path: str) -> Run:
    """A run or a single stage.

    Raises:
      UserError: the folder is missing or holds neither.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise UserError(f"{path}: no such folder; name what rft run or a single stage wrote")
    described = _optional(folder / "run.json")
    if isinstance(described.get("stages"), dict):
        return _whole_run(folder, described)
    return _single_stage(folder)


def _whole_run(folder: Path, described: Mapping[str, Any]) -> Run:
    results, timing = (_optional(folder / name) for name in ("results.json", "timing.json"))
    notes = described.get("notes", [])
    return Run(
        name=folder.resolve().name,
        folder=folder,
        stages=tuple(_stage(folder, name, at) for name, at in described["stages"].items()),
        rows=tuple(results.get("rows", ())),
        comparisons=tuple(results.get("comparisons", ())),
        figures=tuple(results.get("figures", ())),
        labels=described.get("arms", {}),
        costs=_optional(folder / "costs.json"),
        notes=(notes,) if isinstance(notes, str) else tuple(map(str, notes)),
        settings=described.get("settings", {}),
        versions=described.get("versions", {}),
        seconds=timing.get("stages", {}),
    )


def _stage(folder: Path, name: str, described: Mapping[str, Any]) -> Stage:
    try:
        at, command = folder / described["folder"], described["command"]
    except (KeyError, TypeError) as error:
        raise UserError(
            f"{folder / 'run.json'}: stage {name!r} needs 'folder' and 'command'"
        ) from error
    arm, label = str(described.get("arm") or name), str(described.get("label", ""))
    seed, typed = described.get("seed"), str(described.get("typed", ""))
    return Stage(name, at, command, arm, seed, label, typed)


def _single_stage(folder: Path) -> Run:
    command = next((name for name, file in STAGE_FILES.items() if any(folder.glob(file))), None)
    if command is None:
        raise UserError(
            f"{folder}: nothing to report; a folder that rft run, train, sample, collect or "
            "evaluate wrote is needed"
        )
    label = folder.resolve().name
    rows = [_measured(folder)] if command == "evaluate" else []
    stage = Stage(label, folder, command, label, None)
    return Run(label, folder, (stage,), tuple(rows), settings=read_settings(folder))


def _measured(folder: Path) -> dict[str, Any]:
    """A results row from an evaluation by itself."""
    metrics = read_json(folder / "metrics.json")
    figures = ("accuracy", "mean@1", "maj@k", "pass@k", "k")
    row = {"model": folder.resolve().name} | {n: metrics[n] for n in figures if n in metrics}
    if metrics.get("k") == 1:  # of one sample they say what accuracy says
        row = {name: value for name, value in row.items() if name not in ("maj@k", "pass@k", "k")}
    return row


def read_settings(folder: Path) -> dict[str, Any]:
    """What a stage's folder was made with; empty for a foreign one."""
    return _optional(folder / SETTINGS)


def _optional(path: Path) -> dict[str, Any]:
    return read_json(path) if path.exists() else {}


def arm_names(runs: Iterable[Run]) -> Callable[[str], str]:
    """Names for the arms of several runs: the first run's that has one."""
    labels: dict[str, str] = {}
    for run in runs:
        labels = {**run.labels, **labels}
    return lambda arm: labels.get(arm, arm)


def greedy_evaluations(run: Run) -> list[Stage]:
    """The evaluations whose figure is accuracy (one greedy answer a problem)."""
    return [
        stage
        for stage in run.of("evaluate")
        if "accuracy" in read_json(stage.folder / "metrics.json")
    ]


def read_predictions(stage: Stage) -> list[dict[str, Any]]:
    """The rows of an evaluation's `predictions.jsonl`, without undecided samples."""
    path = stage.folder / "predictions.jsonl"
    rows = []
    for _, row in read_rows(path) if path.exists() else ():
        if decided := [one for one in row["correct"] if one is not None]:
            rows.append({**row, "correct": decided})
    return rows
