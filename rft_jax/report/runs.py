"""Runs and stages as their folders describe them: all that pages and notebooks read.

A folder is a whole run (`run.json` with its stages, `results.json`) or a single stage, which its
files tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rft_jax.errors import UserError
from rft_jax.evaluation.compare import with_holm
from rft_jax.evaluation.trainings import student_t
from rft_jax.files.jsonl import read_json, read_rows
from rft_jax.files.names import (
    COSTS_FILE,
    METRICS_FILE,
    PREDICTIONS_FILE,
    RESULTS_FILE,
    SAMPLES_FOLDER,
    STEPS_FILE,
    TIMING_FILE,
)
from rft_jax.files.outputs import RUN, SETTINGS
from rft_jax.records import LEDGER_FILE
from rft_jax.report.measured import measured
from rft_jax.report.results_file import read_results

# The file that tells a folder's stage, checked in this order: evaluations and policies hold samples
# too, and policies a ledger.
STAGE_FILES = {
    "evaluate": METRICS_FILE,
    "policy": f"{SAMPLES_FOLDER}/samples-*",
    "collect": LEDGER_FILE,
    "train": STEPS_FILE,
    "sample": "samples-*",
}


@dataclass(frozen=True)
class StageRecord:
    """One stage's folder.

    Attributes:
      name: its name in the run.
      folder: its output.
      command: `train`, `sample`, `collect`, `evaluate` or `policy`.
      arm: the model of the experiment that it trained or evaluated, e.g. `sft`.
      seed: of the repetition; None if it serves all seeds.
      label: its purpose, if a command occurs twice in an arm.
      typed: its command line, to run in the run's folder.
    """

    name: str
    folder: Path
    command: str
    arm: str
    seed: int | None
    label: str = ""
    typed: str = ""


@dataclass(frozen=True)
class RunRecord:
    """One run: its stages and its results.

    Attributes:
      name: of its folder.
      folder: the run's.
      stages: in the order of the run.
      rows: of `results.json`, one per model and seed.
      problems: of `results.json`: what was measured on.
      conditions: of `results.json`, one per model; none in files of earlier versions.
      comparisons: of `results.json`, with Holm's p-values.
      plots: of `results.json` (`figures`).
      labels: arm -> its display name.
      costs: of `costs.json`.
      notes: sentences to show with the results (what the pretrained model has seen).
      settings: of `run.json`, or of a single stage.
      versions: of `run.json`.
      seconds: stage -> its duration, if known.
    """

    name: str
    folder: Path
    stages: tuple[StageRecord, ...]
    rows: tuple[Mapping[str, Any], ...] = ()
    problems: Mapping[str, Any] = field(default_factory=dict)
    conditions: tuple[Mapping[str, Any], ...] = ()
    comparisons: tuple[Mapping[str, Any], ...] = ()
    plots: tuple[Mapping[str, Any], ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    costs: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, Any] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)

    def arm_name(self, arm: str) -> str:
        """An arm's display name; its own name without one."""
        return self.labels.get(arm, arm)

    def of(self, command: str) -> Iterator[StageRecord]:
        """The stages of one command that have written their file, each folder once."""
        seen: set[Path] = set()
        for stage in self.stages:
            if stage.command == command and stage.folder not in seen:
                seen.add(stage.folder)
                if any(stage.folder.glob(STAGE_FILES[command])):
                    yield stage


def read_run(path: str) -> RunRecord:
    """A run or a single stage.

    Raises:
      UserError: the folder is missing or holds neither.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise UserError(f"{path}: no such folder; name what rft run or a single stage wrote")
    if _is_run(folder):
        return _whole_run(folder, _optional(folder / RUN))
    if (folder / RESULTS_FILE).exists():  # as it is published, without its stages
        return _whole_run(folder, {"stages": {}})
    return _single_stage(folder)


def _is_run(folder: Path) -> bool:
    """Whether rft run wrote the folder; also sampling writes a `run.json`."""
    described: Any = _optional(folder / RUN)
    return isinstance(described, dict) and isinstance(described.get("stages"), dict)


def _whole_run(folder: Path, described: Mapping[str, Any]) -> RunRecord:
    file = folder / RESULTS_FILE
    results, timing = read_results(file) if file.exists() else {}, _optional(folder / TIMING_FILE)
    notes = described.get("notes", results.get("notes", []))
    labels = {one["model"]: one["label"] for one in results.get("conditions", ())}
    settings = described.get("settings", {})
    stages = tuple(_stage(folder, name, at) for name, at in described["stages"].items())
    return RunRecord(
        name=folder.resolve().name,
        folder=folder,
        stages=stages,
        rows=tuple(results.get("rows", ()) if results else _rows_so_far(stages)),
        problems=results.get("problems", {"test": settings.get("test_problems", "")}),
        conditions=tuple(results.get("conditions", ())),
        comparisons=tuple(with_holm([_compared(row) for row in results.get("comparisons", ())])),
        plots=tuple(results.get("figures", ())),
        labels=described.get("arms", labels),
        costs=_optional(folder / COSTS_FILE),
        notes=(notes,) if isinstance(notes, str) else tuple(map(str, notes)),
        settings=settings,
        versions=described.get("versions", {}),
        seconds=timing.get("stages", {}),
    )


def _rows_so_far(stages: Iterable[StageRecord]) -> list[dict[str, Any]]:
    """Rows of results from the evaluations that a run has finished, those of a model together."""
    rows: dict[tuple[str, int | None], dict[str, Any]] = {}
    for stage in stages:
        if stage.command == "evaluate" and (stage.folder / METRICS_FILE).exists():
            row = rows.setdefault((stage.arm, stage.seed), {"model": stage.arm, "seed": stage.seed})
            row |= measured(stage.folder) | row
    for row in rows.values():
        if "accuracy" in row:
            row.pop("mean@1", None)  # of the samples that vote
    return list(rows.values())


def _compared(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """A comparison; one of several trainings by an earlier version gets Student's t over them."""
    by_seed = row.get("by_seed", ())
    if "method" in row or len(by_seed) < 2:
        return row
    interval, p_value = student_t(np.array(by_seed), -1.0, 1.0)
    method = {"trainings": len(by_seed), "ci95": None, "ci95_t": interval}
    return {**row, "method": {**method, "p_value": 1.0 if p_value is None else p_value}}


def _stage(folder: Path, name: str, described: Mapping[str, Any]) -> StageRecord:
    try:
        at, command = folder / described["folder"], described["command"]
    except (KeyError, TypeError) as error:
        raise UserError(
            f"{folder / 'run.json'}: stage {name!r} needs 'folder' and 'command'"
        ) from error
    arm, label = str(described.get("arm") or name), str(described.get("label", ""))
    seed, typed = described.get("seed"), str(described.get("typed", ""))
    return StageRecord(name, at, command, arm, seed, label, typed)


def _single_stage(folder: Path) -> RunRecord:
    command = next((name for name, file in STAGE_FILES.items() if any(folder.glob(file))), None)
    if command is None:
        if named := [str(one) for one in sorted(folder.iterdir()) if _is_run(one)]:
            raise UserError(f"{folder}: its runs have names (run.name); report {' '.join(named)}")
        raise UserError(
            f"{folder}: nothing to report; a folder that rft run, train, sample, collect, "
            "evaluate or policy wrote is needed"
        )
    label = folder.resolve().name
    rows = [{"model": label, **measured(folder)}] if command == "evaluate" else []
    stage = StageRecord(label, folder, command, label, None)
    return RunRecord(label, folder, (stage,), tuple(rows), settings=read_settings(folder))


def read_settings(folder: Path) -> dict[str, Any]:
    """The settings in a stage's folder; empty if it has none."""
    return _optional(folder / SETTINGS)


def _optional(path: Path) -> dict[str, Any]:
    return read_json(path) if path.exists() else {}


def arm_names(runs: Iterable[RunRecord]) -> Callable[[str], str]:
    """Arm -> its display name in the first run that has one."""
    labels: dict[str, str] = {}
    for run in runs:
        labels = {**run.labels, **labels}
    return lambda arm: labels.get(arm, arm)


def greedy_evaluations(run: RunRecord) -> list[StageRecord]:
    """The evaluations whose metric is accuracy (one greedy answer per problem)."""
    return [
        stage
        for stage in run.of("evaluate")
        if "accuracy" in read_json(stage.folder / METRICS_FILE)
    ]


def read_predictions(stage: StageRecord) -> list[dict[str, Any]]:
    """The rows of an evaluation's `predictions.jsonl` without undecided samples, or none."""
    path = stage.folder / PREDICTIONS_FILE
    rows = []
    for _, row in read_rows(path) if path.exists() else ():
        if decided := [one for one in row["correct"] if one is not None]:
            rows.append({**row, "correct": decided})
    return rows
