"""`rft sample`: samples of every problem, in sorted files of one row a sample."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from rft_jax.checkpoints.load import load_model
from rft_jax.data.sources import load_problems, problems_identity
from rft_jax.devices.cluster import named_process
from rft_jax.devices.distributed import initialize, is_main, open_shared_output, wait_for_all
from rft_jax.devices.mesh_settings import MeshSettings
from rft_jax.errors import Preempted
from rft_jax.files.identity import input_identity, settings_identity
from rft_jax.files.jsonl import write_json
from rft_jax.files.outputs import OutputFolder
from rft_jax.progress import Progress
from rft_jax.prompts import shown
from rft_jax.records import Problem, Sample, parse_sample, to_row
from rft_jax.sampling.budget import Budget, MakeBudget
from rft_jax.sampling.geometry import Geometry
from rft_jax.sampling.methods import problem_key
from rft_jax.sampling.placement import sampling_mesh
from rft_jax.sampling.requests import Further, Request
from rft_jax.sampling.run_record import report_over_long, settle_geometry
from rft_jax.sampling.sampler import Sampler
from rft_jax.sampling.segments import Segments, remove_segments
from rft_jax.sampling.settings import SampleSettings
from rft_jax.sampling.shard import Shard
from rft_jax.sampling.shares import Share
from rft_jax.signals import sigterm_flag


def sample(
    model: str,
    problems: str,
    output: str,
    name: str | None,
    settings: SampleSettings,
    mesh: MeshSettings | None = None,
    make_budget: MakeBudget | None = None,
    config_text: str = "",
    shard: Shard = Shard(),  # noqa: B008  (frozen)
) -> None:
    """Samples every problem.

    Run again after an interruption, it resumes where it stopped and leaves the same files.

    Args:
      model: a model folder.
      problems: a JSONL file or a named data set.
      output: folder for the samples, `run.json` and `timing.json`.
      name: what the samples' `model` field says; None for the model folder's name.
      settings: how to sample.
      mesh: sizes of the device mesh; None for one device.
      make_budget: decides how many samples each problem gets; None for `settings.num_samples`.
      config_text: the resolved settings as a gin file, written into the output.
      shard: which of the problems to sample, while other commands sample the others.

    Raises:
      UserError: model, problems, folder and settings don't fit each other.
      Preempted: SIGTERM came; what was sampled is saved.
    """
    if shard.count == 1 or named_process(os.environ):  # shards that one launcher starts stay apart
        initialize()
    name = name or Path(os.path.abspath(model)).name  # of a link to a folder, the link's
    made_with = partial(_made_with, model, problems, output, name, settings, shard)
    target = shard.folder(Path(output))
    with open_shared_output(target, made_with, config_text) as folder, sigterm_flag() as stopped:
        if not folder.is_complete:
            chosen = shard.select(load_problems(problems)[: settings.limit or None])
            run = _prepare(folder.path, model, name, chosen, settings, mesh, shard, stopped)
            run.sample(make_budget)
            _finish(folder, run)
        elif is_main():
            remove_segments(folder.path)  # left if the process was killed just after the end
            print(f"sample: {target} is finished already")
    if is_main():
        shard.join(Path(output))


def _made_with(
    model: str, problems: str, output: str, name: str, settings: SampleSettings, shard: Shard
) -> dict[str, Any]:
    """Everything that decides the samples.

    Raises:
      UserError: other shards in the output were made otherwise.
    """
    inputs = {"model": input_identity(model), "problems": problems_identity(problems)}
    identity = inputs | {"name": name} | settings_identity(settings) | shard.settings
    shard.check(Path(output), identity)
    return identity


def _prepare(
    folder: Path,
    model: str,
    name: str,
    problems: Sequence[Problem],
    settings: SampleSettings,
    mesh: MeshSettings | None,
    shard: Shard,
    stopped: Callable[[], bool],
) -> _Run:
    """Loads the model, encodes the prompts, and decides about the geometry."""
    share = Share.of_this_process(settings.span_hosts)
    devices = sampling_mesh(settings, mesh)
    loaded = load_model(model, devices, dtype=settings.dtype, param_dtype=settings.dtype)
    template = loaded.template_named(settings.template)
    sampler = Sampler(loaded, loaded.tokenizer, settings, devices)
    texts = [template.render(one.question) for one in problems]
    encoded = sampler.encode(texts)
    preferred = sampler.geometry(encoded=encoded)
    geometry = settle_geometry(folder, preferred, share)
    if share.leads:
        print(f"sample: {sampler.describe_memory(geometry)}", flush=True)
        if texts:
            print(f"sample: the first prompt, by template {template.name!r}:\n{shown(texts[0])}")
        report_over_long(folder, problems, encoded, geometry, settings)
    pairs = zip(problems, encoded.ids, strict=True)
    prompts = [(problem, ids) for problem, ids in pairs if ids is not None]
    label = share.label + shard.suffix
    form = "program" if template.asks_for_program else "text"
    agreed = share.agreed(stopped)
    return _Run(folder, name, form, sampler, geometry, share, prompts, label, agreed)


def _finish(folder: OutputFolder, run: _Run) -> None:
    """The leading process marks the folder finished, once all files are there."""
    wait_for_all("all samples merged", folder.path)
    if run.share.leads:
        write_json(folder.path / "timing.json", run.sampler.counters.to_json())
        run.share.remove_other_files(folder.path)
        folder.commit()
        remove_segments(folder.path)
    wait_for_all("finished", folder.path)


@dataclass
class _Run:
    """Samples this process's problems into segments, then writes its sorted file.

    Problems go by their index among those that are sampled.

    Attributes:
      folder: the output folder.
      name: what the samples' `model` field says.
      form: of the samples, which the prompts ask for.
      sampler: model and settings.
      geometry: of the run.
      share: this process's.
      prompts: every problem that is sampled, with its token ids.
      label: of the progress.
      stopped: whether SIGTERM came; in lockstep, whether it came to any process.
    """

    folder: Path
    name: str
    form: str
    sampler: Sampler
    geometry: Geometry
    share: Share
    prompts: Sequence[tuple[Problem, list[int]]]
    label: str
    stopped: Callable[[], bool]

    def __post_init__(self) -> None:
        self._own = self.share.own(len(self.prompts))
        self._segments = Segments(self.folder, self.share.shard_name)
        self._counts = {i: self._segments.count(self.prompts[i][0].id) for i in self._own}
        wait_for_all("segments read", self.folder)

    def sample(self, make_budget: MakeBudget | None) -> None:
        """Samples what earlier starts have not, and writes this process's file."""
        try:
            if make_budget is None:
                kept = self._sample_fixed(self.sampler.settings.num_samples)
            else:
                problems = [problem for problem, _ in self.prompts]
                with closing(make_budget(problems, self._own, self._sum_over_processes)) as budget:
                    kept = self._sample_by(budget)
        finally:
            self._segments.flush()
        if self.share.writes:
            counts = {self.prompts[index][0].id: kept[index] for index in self._own}
            self._segments.merge(self.folder / self.share.file_name, counts)

    def _sample_fixed(self, num_samples: int) -> dict[int, int]:
        """As many samples of every problem; returns how many are kept of each."""
        total = num_samples * len(self._own)
        requests = [self._request(index, num_samples) for index in self._own]
        requests = [request for request in requests if request.num_samples > 0]
        done = total - sum(request.num_samples for request in requests)
        with Progress(self.label, total, "samples", initial=done) as progress:
            for request, _ in self._finished(requests):
                done += request.num_samples
                progress.update(done, **self.sampler.counters.metrics())
        return dict.fromkeys(self._own, num_samples)

    def _sample_by(self, budget: Budget) -> dict[int, int]:
        """As many samples as the budget decides; returns how many are kept of each problem."""
        kept: dict[int, int] = {}

        def further(wait: bool) -> list[Request]:
            while True:
                decided = budget.decide(wait)
                more = {i: total for i, total in decided.items() if total > self._counts[i]}
                kept.update({i: total for i, total in decided.items() if i not in more})
                if more or not (wait and decided):
                    return [self._request(index, total) for index, total in more.items()]

        self._add_saved(budget)
        first = [i for i in self._own if self._counts[i] == 0]
        requests = [self._request(index, budget.first_round) for index in first]
        counters = self.sampler.counters
        with Progress(self.label, len(self._own), "problems") as progress:
            for request, samples in self._finished(requests, further):
                budget.add(request.index, samples)
                progress.update(len(kept), samples=counters.samples, **counters.metrics())
            # Some problems are decided after the last sample.
            progress.update(len(kept), samples=counters.samples, **counters.metrics())
        return kept

    def _add_saved(self, budget: Budget) -> None:
        """Hands over the samples of earlier starts; of an incomplete first round, none."""
        ids = [self.prompts[index][0].id for index in self._own]
        for index, rows in zip(self._own, self._segments.in_order(ids), strict=True):
            if self._counts[index] < budget.first_round:
                self._counts[index] = 0
            else:
                saved = rows[: self._counts[index]]
                budget.add(index, [parse_sample(row, "a segment") for row in saved])

    def _request(self, index: int, total: int) -> Request:
        """What the problem lacks for so many samples."""
        problem, prompt = self.prompts[index]
        have = self._counts[index]
        key = problem_key(self.sampler.settings.seed, problem.id)
        return Request(index, prompt, key, total - have, have)

    def _finished(
        self, requests: Sequence[Request], further: Further = lambda _wait: []
    ) -> Iterator[tuple[Request, list[Sample]]]:
        """Finished requests and their samples, which are saved.

        Raises:
          Preempted: SIGTERM came.
        """
        for finished in self.sampler.run(requests, self.geometry, further=further):
            for request, sampled in finished:
                problem, _ = self.prompts[request.index]
                written = self.sampler.to_samples(sampled, problem.id, self.name, request.first)
                samples = [replace(sample, form=self.form) for sample in written]
                self._counts[request.index] += len(samples)
                if self.share.writes:
                    self._segments.add(map(to_row, samples))
                yield request, samples
            if self.stopped():
                raise Preempted(f"stopped after {self.sampler.counters.samples} samples")

    def _sum_over_processes(self, values: Sequence[int]) -> list[int]:
        wait_for_all("first round sampled", self.folder)
        return self.share.sum_over_shares(np.asarray(values)).tolist()
