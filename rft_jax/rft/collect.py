"""From samples to training paths: verify, keep the distinct right ones, unite over models."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import IO

from rft_jax.data.sources import load_problems
from rft_jax.errors import UserError
from rft_jax.files.identity import input_identity
from rft_jax.files.jsonl import atomic_write, file_digest
from rft_jax.files.outputs import OutputFolder, open_output
from rft_jax.progress import Progress
from rft_jax.records import Problem
from rft_jax.rft.decontaminate import make_decontaminator
from rft_jax.rft.samples import (
    Block,
    Shard,
    UnsortedError,
    find_shards,
    merge_by_problem,
    sorted_runs,
)
from rft_jax.rft.settings import CollectSettings
from rft_jax.rft.stats import statistics_bytes
from rft_jax.rft.tally import Tally
from rft_jax.rft.work import Result, Task, make_worker
from rft_jax.workers.pool import cpu_cores, map_in_order

PATHS, LEDGER, STATS = "paths.jsonl", "ledger.jsonl", "stats.json"
_RUNS = ".sorted-runs"
# A batch ends with the problem that fills it; it does not depend on the number of workers.
_BATCH_BYTES = 256 << 10


def collect(
    problems: str,
    samples: Sequence[str],
    output: str,
    settings: CollectSettings,
    config_text: str = "",
) -> None:
    """Verifies samples, keeps the distinct right ones and unites them over all sample folders.

    Writes `paths.jsonl`, `ledger.jsonl` and `stats.json`; does nothing in a finished folder.
    Interrupted, it begins again: nothing is to be seen of it before all is done.

    Args:
      problems: a JSONL file, or a name that `data.sources.load_problems` knows.
      samples: folders that `rft sample` wrote, or samples files; their order is the order in which
        paths are compared.
      config_text: the resolved settings as a gin file, written into the output.

    Raises:
      UserError: a mistake in the input, by file and line, or an output folder made otherwise.
    """
    if not samples:
        raise UserError("no samples; name a folder that rft sample wrote (--samples)")
    shards = find_shards(samples)
    loaded = load_problems(problems)
    make_decontaminator(settings)  # its mistakes are the caller's, and no worker's
    made_with = _identity(problems, samples, shards, settings)
    with open_output(output, made_with, config_text) as folder:
        if not folder.is_complete:
            _collect(loaded, shards, list(samples), folder, settings)
            folder.commit()


def _identity(
    problems: str, samples: Sequence[str], shards: Sequence[Shard], settings: CollectSettings
) -> dict:
    """What decides the output: the inputs, wherever they lie, and settings but for the workers."""
    decided = {name: value for name, value in asdict(settings).items() if name != "workers"}
    return {
        "command": "collect",
        "problems": input_identity(problems),
        "samples": [Path(one).name for one in samples],
        **decided,
        "shards": [file_digest(shard.path)[:16] for shard in shards],
    }


def _collect(
    problems: Sequence[Problem],
    shards: Sequence[Shard],
    folders: Sequence[str],
    output: OutputFolder,
    settings: CollectSettings,
) -> None:
    runs = output.path / _RUNS
    shutil.rmtree(runs, ignore_errors=True)
    try:
        try:
            tally = _write(problems, shards, folders, output.path, settings)
        except UnsortedError:
            runs.mkdir()
            places = {problem.id: place for place, problem in enumerate(problems)}
            merged = sorted_runs(shards, places, runs)
            tally = _write(problems, merged, folders, output.path, settings)
        with atomic_write(output.path / STATS, "wb") as file:
            file.write(statistics_bytes(tally, settings))
    finally:
        shutil.rmtree(runs, ignore_errors=True)


def _write(
    problems: Sequence[Problem],
    shards: Sequence[Shard],
    folders: Sequence[str],
    output: Path,
    settings: CollectSettings,
) -> Tally:
    tally = Tally()
    owners: dict[str, int] = {}
    batches = _batches(problems, shards)
    workers = settings.workers or cpu_cores()
    with (
        Progress("collect", len(problems), "problems") as progress,
        atomic_write(output / PATHS, "wb") as paths,
        atomic_write(output / LEDGER, "wb") as ledger,
        closing(map_in_order(make_worker, (settings,), batches, workers)) as results,
    ):
        for result in results:
            _add(result, tally, owners, folders, paths, ledger)
            progress.update(tally.problems, samples=tally.samples[""])
    return tally


def _add(
    result: Result,
    tally: Tally,
    owners: dict[str, int],
    folders: Sequence[str],
    paths: IO[bytes],
    ledger: IO[bytes],
) -> None:
    if result.error is not None:
        raise UserError(result.error)
    for folder, models in result.models.items():
        for model in sorted(models):
            if owners.setdefault(model, folder) != folder:
                other = folders[owners[model]]
                raise UserError(
                    f"{folders[folder]}: has samples of model {model!r}, as {other} has; sample "
                    "one of them again under another --name"
                )
    paths.write(result.paths)
    ledger.write(result.ledger)
    tally.add(result.tally)


def _batches(problems: Sequence[Problem], shards: Sequence[Shard]) -> Iterator[list[Task]]:
    """All problems in order, with their samples, in batches of about _BATCH_BYTES."""
    places = {problem.id: place for place, problem in enumerate(problems)}
    batch: list[Task] = []
    size = 0
    for place, blocks in _with_all_places(merge_by_problem(shards, places), len(problems)):
        batch.append(Task(place, problems[place], blocks))
        size += 1000 + sum(len(line) for block in blocks for line in block.lines)
        if size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _with_all_places(
    groups: Iterator[tuple[int, list[Block]]], total: int
) -> Iterator[tuple[int, list[Block]]]:
    """Puts in the problems without samples."""
    following = 0
    for place, blocks in groups:
        yield from ((missing, []) for missing in range(following, place))
        yield place, blocks
        following = place + 1
    yield from ((missing, []) for missing in range(following, total))
