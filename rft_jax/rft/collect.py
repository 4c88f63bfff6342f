"""`rft collect`: from samples to training paths: verify, deduplicate, merge over models."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from rft_jax.data.sources import load_problems, problems_identity
from rft_jax.errors import UserError
from rft_jax.files.identity import settings_identity
from rft_jax.files.jsonl import atomic_write, file_digest
from rft_jax.files.names import STATS_FILE
from rft_jax.files.outputs import OutputFolder, open_output
from rft_jax.progress import Progress
from rft_jax.records import LEDGER_FILE, PATHS_FILE, Problem
from rft_jax.records.foreign import check_format, read_any_samples
from rft_jax.rft.conversion import in_our_format, raise_all_mistakes
from rft_jax.rft.decontaminate import make_decontaminator
from rft_jax.rft.level import with_level_said
from rft_jax.rft.samples import (
    Shard,
    UnsortedError,
    find_shards,
    merge_by_problem,
    sorted_runs,
)
from rft_jax.rft.settings import CollectSettings
from rft_jax.rft.stats import statistics_bytes
from rft_jax.rft.summary import summary
from rft_jax.rft.tally import Tally
from rft_jax.rft.work import Task, Worker
from rft_jax.verify.grading import check_references
from rft_jax.verify.programs.reading import check_programs
from rft_jax.workers.pool import batches_of, cpu_cores, map_in_order

_RUNS = ".sorted-runs"
_BATCH_BYTES = 256 << 10


def collect(
    problems: str,
    samples: Sequence[str],
    output: str,
    settings: CollectSettings,
    config_text: str = "",
    samples_format: str = "",
) -> None:
    """Verifies samples and keeps the distinct correct ones, merged over all sample folders.

    Reference solutions are graded too, as if they were samples; one line says how many fail.

    Writes `paths.jsonl`, `ledger.jsonl` and `stats.json`, which appear when all is done; an
    interrupted run starts over. A finished folder is left unchanged.

    Args:
      problems: a JSONL file, or a name that `data.sources.load_problems` knows.
      samples: folders that `rft sample` wrote, or samples files; their order is the order in which
        paths are compared. None: only the reference solutions are graded.
      config_text: the resolved settings as a gin file, written into the output.
      samples_format: of all samples, a key of `records.sample_formats.SAMPLE_FORMATS`; '' for
        found by looking.

    Raises:
      UserError: mistakes in the input, by file and line, or an output folder made with other
        settings.
    """
    check_format(samples_format)
    shards = find_shards(samples)
    loaded = load_problems(problems)
    check_references(loaded, settings.answers, problems)
    settings = with_level_said(settings, loaded, _responses(loaded, samples, samples_format))
    make_decontaminator(settings)  # raises here and not in a worker
    check_programs(settings.programs)
    made_with = _identity(problems, samples, shards, settings)
    if samples_format:
        made_with["samples_format"] = samples_format
    with open_output(output, made_with, config_text) as folder:
        if not folder.is_complete:
            _collect(loaded, shards, list(samples), folder, settings, samples_format)
            folder.commit()


def _responses(
    problems: Sequence[Problem], folders: Sequence[str], samples_format: str
) -> Iterator[str]:
    """The responses to the problems; samples of others say nothing, left out or not."""
    ids = {problem.id for problem in problems}
    for folder in folders:
        for _, sample in read_any_samples(problems, folder, samples_format, skips_others=True):
            if sample.id in ids:
                yield sample.response


def _identity(
    problems: str, samples: Sequence[str], shards: Sequence[Shard], settings: CollectSettings
) -> dict:
    """What decides the output: the inputs' contents, and all settings except `workers`."""
    test = settings.decontaminate and problems_identity(settings.decontaminate)
    values = settings_identity(settings) | {"decontaminate": test}
    decided = {name: value for name, value in values.items() if name != "workers"}
    return {
        "command": "collect",
        "problems": problems_identity(problems),
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
    samples_format: str,
) -> None:
    runs = output.path / _RUNS
    shutil.rmtree(runs, ignore_errors=True)
    try:
        runs.mkdir()
        shards = in_our_format(
            shards, folders, problems, runs, samples_format, settings.skips_others
        )
        write = partial(_write, problems, folders=folders, output=output.path, settings=settings)
        try:
            try:
                tally = write(shards)
            except UnsortedError:
                tally = write(sorted_runs(shards, _indices(problems), runs))
        except UserError:
            raise_all_mistakes(shards, _indices(problems))
            raise
        with atomic_write(output.path / STATS_FILE, "wb") as file:
            file.write(statistics_bytes(tally, settings))
        print(summary(tally, settings), flush=True)
        if folders and not tally.samples[""]:
            print(f"warning: no sample of these problems in {', '.join(folders)}", flush=True)
        if tally.failing:
            print(_failing_references(tally), flush=True)
    finally:
        shutil.rmtree(runs, ignore_errors=True)


def _failing_references(tally: Tally) -> str:
    first = min(tally.failing.items())[1]
    counts = ", ".join(f"{verdict} {n:,}" for verdict, n in sorted(tally.references.items()))
    return (
        f"{len(tally.failing):,} of {tally.problems:,} reference solutions would not be accepted "
        f"as samples ({counts}); the first is {first['id']}: {first['detail']}. See "
        f"failing_references in {STATS_FILE}"
    )


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
        atomic_write(output / PATHS_FILE, "wb") as paths,
        atomic_write(output / LEDGER_FILE, "wb") as ledger,
        closing(map_in_order(Worker, (settings,), batches, workers)) as results,
    ):
        for result in results:
            check_models(result.models, owners, folders)
            paths.write(result.paths)
            ledger.write(result.ledger)
            tally.add(result.tally)
            progress.update(tally.problems, samples=tally.samples[""])
    return tally


def check_models(
    models: Iterable[tuple[str, int]], owners: dict[str, int], folders: Sequence[str]
) -> None:
    """Refuses a model name that samples of two folders have.

    Args:
      models: names, each with the index of a folder that has it.
      owners: name -> the index of the folder that had it first; updated.
    """
    for model, folder in sorted(models):
        if owners.setdefault(model, folder) != folder:
            raise UserError(
                f"{folders[folder]}: has samples of model {model!r}, as {folders[owners[model]]} "
                "has; sample one of them again under another --name, or rename one of them"
            )


def _batches(problems: Sequence[Problem], shards: Sequence[Shard]) -> Iterator[list[Task]]:
    """All problems in order, with their samples."""
    merged = merge_by_problem(shards, _indices(problems))
    tasks = (Task(index, problems[index], blocks) for index, blocks in merged)
    return batches_of(tasks, _bytes_of, _BATCH_BYTES)


def _bytes_of(task: Task) -> int:
    return 1000 + sum(len(line) for block in task.blocks for line in block.lines)


def _indices(problems: Sequence[Problem]) -> dict[str, int]:
    """Problem id -> index in the input."""
    return {problem.id: index for index, problem in enumerate(problems)}
