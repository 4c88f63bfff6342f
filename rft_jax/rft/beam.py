"""Collecting as an Apache Beam pipeline, for samples that outgrow one machine.

The workers run the functions of `collect`, and the three files are identical. Paths may be on any
file system that Beam knows (`gs://…`). Run it as a program:

  python -m rft_jax.rft.beam --problems P --samples S [--samples S2 …] --output DIR \\
      [--columns C] [--samples_format F] \\
      [--gin_file F] [--gin.collect.dedup=none] [--runner=DataflowRunner …: Beam's options]
"""

from __future__ import annotations

import argparse
import importlib
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import apache_beam as beam
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions

from rft_jax.data.sources import load_problems
from rft_jax.errors import UserError
from rft_jax.files.jsonl import parse_row
from rft_jax.files.names import STATS_FILE
from rft_jax.files.remote import fetched
from rft_jax.gin_settings import load_config
from rft_jax.records import LEDGER_FILE, PATHS_FILE, Problem
from rft_jax.records.matching import explain_unmatched
from rft_jax.records.renamed import Renaming, parse_columns
from rft_jax.rft.beam_inputs import find_shards, open_plain
from rft_jax.rft.collect import check_models
from rft_jax.rft.decontaminate import make_decontaminator
from rft_jax.rft.level import (
    has_equation,
    level_note,
    with_level_of_problems,
    with_level_of_samples,
)
from rft_jax.rft.samples import Block, Shard, problem_id, shard_lines
from rft_jax.rft.settings import BY_DATA, CollectSettings
from rft_jax.rft.stats import statistics_bytes
from rft_jax.rft.tally import Tally
from rft_jax.rft.work import Result, Task, Worker
from rft_jax.verify.grading import check_references
from rft_jax.verify.programs.reading import check_programs

# Problems whose lines one worker puts in order and writes.
PROBLEMS_PER_CHUNK = 1000
CHUNKS = "chunks"
_WORKERS_MISTAKE = re.compile(r"^rft_jax\.errors\.UserError: (.*)", re.MULTILINE)
_STEP = re.compile(r" \[while running [^]]*\]$")  # which Beam adds to messages


class Line(NamedTuple):
    """A line of a samples file, with the index of its folder, its file and its number."""

    folder: int
    path: str
    number: int
    text: bytes


class ReadLines(beam.DoFn):
    """A samples file to (problem id, line), for each line."""

    def process(self, element: Shard) -> Iterator[tuple[str, Line]]:
        with open_plain(element.path) as file:
            for number, text in shard_lines(file, element):
                if text.strip():
                    line = Line(element.folder, element.name, number, text)
                    yield problem_id(text, f"{line.path}:{number}"), line


class Resolve(beam.DoFn):
    """A problem and all its lines to (index of the problem, what `collect` writes about it)."""

    def __init__(self) -> None:
        self._work: Worker | None = None

    def process(
        self, element: tuple[str, dict[str, Iterable]], settings: CollectSettings
    ) -> Iterator[tuple[int, Result]]:
        identity, grouped = element
        lines: list[Line] = sorted(grouped["lines"])
        problems: list[tuple[int, Problem]] = list(grouped["problems"])
        if not problems:
            raise UserError(explain_unmatched(identity, None, f"{lines[0].path}:{lines[0].number}"))
        ((index, problem),) = problems
        self._work = self._work or Worker(settings)
        yield index, self._work([Task(index, problem, _blocks(lines))])

    def teardown(self) -> None:
        if self._work is not None:
            self._work.close()


def _blocks(lines: Sequence[Line]) -> list[Block]:
    return [
        Block(Shard(path, folder), [line.number for line in group], [line.text for line in group])
        for (folder, path), group in (
            (key, list(lines)) for key, lines in groupby(lines, key=lambda line: line[:2])
        )
    ]


class FindEquation(beam.DoFn):
    """Lines to True, once a bundle, where a response has an equation."""

    def __init__(self, settings: CollectSettings) -> None:
        self._settings = settings
        self._found = False

    def setup(self) -> None:
        self._has_equation = has_equation(self._settings)

    def start_bundle(self) -> None:
        self._found = False

    def process(self, element: tuple[str, Line]) -> Iterator[bool]:
        line = element[1]
        if self._found:
            return
        with suppress(UserError):  # such a line is named where it is resolved
            response = parse_row(line.text, f"{line.path}:{line.number}").get("response")
            self._found = self._has_equation(str(response))
        if self._found:
            yield True


class WriteChunk(beam.DoFn):
    """(chunk, results) to two files with their problems in order."""

    def __init__(self, output: str) -> None:
        self._output = output

    def process(self, element: tuple[int, Iterable[tuple[int, Result]]]) -> Iterator[int]:
        chunk, results = element
        ordered = [result for _, result in sorted(results, key=lambda pair: pair[0])]
        _write(_chunk(self._output, PATHS_FILE, chunk), [result.paths for result in ordered])
        _write(_chunk(self._output, LEDGER_FILE, chunk), [result.ledger for result in ordered])
        yield chunk


def _chunk(output: str, name: str, chunk: int) -> str:
    return FileSystems.join(output, CHUNKS, f"{name}-{chunk:05d}")


def _write(path: str, pieces: Iterable[bytes]) -> None:
    """Writes a file under another name and renames it: a retried bundle leaves no half of one."""
    aside = f"{path}.tmp"
    with FileSystems.create(aside) as file:
        for piece in pieces:
            file.write(piece)
    if FileSystems.exists(path):
        FileSystems.delete([path])
    FileSystems.rename([aside], [path])


def sum_tallies(tallies: Iterable[Tally]) -> Tally:
    """The sum of tallies, which may be sums themselves."""
    total = Tally()
    for tally in tallies:
        total.add(tally)
    return total


def collect_with_beam(
    problems: str,
    samples: Sequence[str],
    output: str,
    settings: CollectSettings,
    options: PipelineOptions | None = None,
    samples_format: str = "",
    columns: str = "",
) -> None:
    """`collect` as a pipeline; returns when it is done.

    Args:
      problems: a local file or a name; read here and sent along.
      samples: folders with samples files, or files. Those of another program are converted here,
        before the pipeline runs.
      output: a folder; must not hold another run's files.
      options: of the pipeline: runner, project, parallelism.
      samples_format, columns: as the flags of `rft collect`.

    Raises:
      UserError: a mistake in the input found before the pipeline runs. Those found by a worker
        fail the pipeline with the same message.
    """
    make_decontaminator(settings)
    check_programs(settings.programs)
    if FileSystems.exists(FileSystems.join(output, STATS_FILE)):
        raise UserError(f"{output}: holds {STATS_FILE} already; name another --output")
    with TemporaryDirectory() as name:
        scratch, chunks = Path(name), FileSystems.join(output, CHUNKS)
        renaming = Renaming(parse_columns(columns), scratch) if columns else None
        problems = fetched(problems)
        loaded = load_problems(str(renaming.copy(Path(problems))) if renaming else problems)
        check_references(loaded, settings.answers, problems)
        skips = settings.skips_others
        shards = find_shards(samples, loaded, chunks, scratch, samples_format, renaming, skips)
    of_problems = with_level_of_problems(settings, loaded)
    with beam.Pipeline(options=options) as pipeline:
        _build(pipeline, loaded, shards, list(samples), output, of_problems)
    chosen = replace(settings, dedup=b"".join(_contents([_level_file(output)])).decode())
    if note := level_note(settings, chosen):
        print(note, flush=True)
    _join_chunks(output, -(-len(loaded) // PROBLEMS_PER_CHUNK))


def _build(
    pipeline: beam.Pipeline,
    problems: Sequence[Problem],
    shards: Sequence[Shard],
    folders: Sequence[str],
    output: str,
    settings: CollectSettings,
) -> None:
    lines = (
        pipeline
        | "files" >> beam.Create(shards)
        | "spread files" >> beam.Reshuffle()
        | "read" >> beam.ParDo(ReadLines())
    )
    chosen = beam.pvalue.AsSingleton(_chosen(pipeline, lines, settings, output))
    indexed = [(problem.id, (index, problem)) for index, problem in enumerate(problems)]
    results = (
        {"problems": pipeline | "problems" >> beam.Create(indexed), "lines": lines}
        | "by problem" >> beam.CoGroupByKey()
        | "resolve" >> beam.ParDo(Resolve(), chosen)
    )
    _ = (
        results
        | "by chunk" >> beam.Map(lambda pair: (pair[0] // PROBLEMS_PER_CHUNK, pair))
        | "gather chunks" >> beam.GroupByKey()
        | "write chunks" >> beam.ParDo(WriteChunk(output))
    )
    _ = (
        results
        | "models" >> beam.FlatMap(lambda pair: pair[1].models)
        | "each once" >> beam.Distinct()
        | "all models" >> beam.combiners.ToList()
        | "check models" >> beam.Map(check_models, {}, folders)
    )
    _ = (
        results
        | "tallies" >> beam.Map(lambda pair: pair[1].tally)
        | "sum" >> beam.CombineGlobally(sum_tallies)
        | "write statistics" >> beam.Map(_write_statistics, output, chosen)
    )


def _chosen(
    pipeline: beam.Pipeline, lines: beam.PCollection, settings: CollectSettings, output: str
) -> beam.PCollection:
    """The settings with a dedup level, which the samples choose where it is open."""
    if settings.dedup != BY_DATA:
        chosen = pipeline | "settings" >> beam.Create([settings])
    else:
        chosen = (
            lines
            | "find equations" >> beam.ParDo(FindEquation(settings))
            | "any" >> beam.CombineGlobally(any)
            | "choose the level" >> beam.Map(lambda found: with_level_of_samples(settings, found))
        )
    _ = chosen | "write the level" >> beam.Map(
        lambda one: _write(_level_file(output), [one.dedup.encode()])
    )
    return chosen


def _level_file(output: str) -> str:
    return FileSystems.join(output, CHUNKS, "level")


def _statistics_file(output: str) -> str:
    """Where the statistics wait for the other files: a folder that has them is finished."""
    return FileSystems.join(output, CHUNKS, STATS_FILE)


def _write_statistics(tally: Tally, output: str, settings: CollectSettings) -> None:
    _write(_statistics_file(output), [statistics_bytes(tally, settings)])


def _join_chunks(output: str, chunks: int) -> None:
    for name in (PATHS_FILE, LEDGER_FILE):
        paths = [_chunk(output, name, chunk) for chunk in range(chunks)]
        _write(FileSystems.join(output, name), _contents(paths))
    _write(FileSystems.join(output, STATS_FILE), _contents([_statistics_file(output)]))
    FileSystems.delete([FileSystems.join(output, CHUNKS)])


def _contents(paths: Iterable[str]) -> Iterator[bytes]:
    for path in paths:
        with FileSystems.open(path) as file:
            while piece := file.read(1 << 20):
                yield piece


def main(arguments: Sequence[str]) -> None:
    """The program: our flags as `rft collect` has them, all others are Beam's."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--problems", required=True)
    parser.add_argument("--samples", required=True, action="append")
    parser.add_argument("--output", required=True)
    parser.add_argument("--samples_format", default="")
    parser.add_argument("--columns", default="")
    parser.add_argument("--gin_file", action="append", default=[])
    flags, rest = parser.parse_known_args(arguments)
    bindings = [flag.removeprefix("--gin.") for flag in rest if flag.startswith("--gin.")]
    options = [flag for flag in rest if not flag.startswith("--gin.")]
    config = load_config({"collect": CollectSettings}, flags.gin_file, bindings)
    collect_with_beam(
        flags.problems,
        flags.samples,
        flags.output,
        config.get(CollectSettings),
        PipelineOptions(options),
        flags.samples_format,
        flags.columns,
    )


def run_program(arguments: Sequence[str]) -> int:
    """Runs the program and returns its exit code; a user's mistake is a line, not a traceback."""
    try:
        main(arguments)
    except Exception as error:
        mistake = _mistake(error)
        if mistake is None:
            raise
        print("rft: " + "\n  ".join(mistake.lines()), file=sys.stderr)
        return mistake.exit_code
    return 0


def _mistake(error: Exception) -> UserError | None:
    """The user's mistake that ended the program; runners pass on a worker's as a text."""
    if isinstance(error, UserError):
        return type(error)(_STEP.sub("", str(error)))
    found = _WORKERS_MISTAKE.search(str(error))
    return UserError(_STEP.sub("", found[1])) if found else None


if __name__ == "__main__":
    # By its own name, so that workers can unpickle what is defined here.
    sys.exit(importlib.import_module("rft_jax.rft.beam").run_program(sys.argv[1:]))
