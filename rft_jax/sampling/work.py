"""The work of sampling: requests of what earlier starts have not sampled, saved as they finish."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from rft_jax.errors import Preempted
from rft_jax.progress import Progress
from rft_jax.records import Problem, Sample, parse_sample, to_row
from rft_jax.sampling.budget import Budget, MakeBudget
from rft_jax.sampling.methods import problem_key
from rft_jax.sampling.requests import Counters, Further, Request
from rft_jax.sampling.segments import Segments
from rft_jax.sampling.settings import SampleSettings
from rft_jax.sampling.shares import Share


class Source(Protocol):
    """What samples come from: `Sampler`, or a server."""

    @property
    def settings(self) -> SampleSettings:
        """How it samples."""

    @property
    def counters(self) -> Counters:
        """What it has done so far."""

    def to_samples(
        self, sampled: Sequence[Any], identity: str, model: str = "", first: int = 0
    ) -> list[Sample]:
        """Records of one problem's samples, from index `first` on."""


# From requests, and those that finished ones lead to, to finished ones with what was sampled.
Generate = Callable[[Sequence[Request], Further], Iterator[Sequence[tuple[Request, list[Any]]]]]


@dataclass
class SamplingRun:
    """Samples this process's problems into segments, then writes its sorted file.

    Problems go by their index among those that are sampled.

    Attributes:
      folder: the output folder.
      name: what the samples' `model` field says.
      form: of the samples, which the prompts ask for.
      source: settings and counters of the sampling.
      generate: the samples of requests, as they are finished.
      share: this process's.
      prompts: every problem that is sampled, with its token ids.
      label: of the progress.
      stopped: whether SIGTERM came; in lockstep, whether it came to any process.
      wait: returns once all processes have called it with the same words.
    """

    folder: Path
    name: str
    form: str
    source: Source
    generate: Generate
    share: Share
    prompts: Sequence[tuple[Problem, Sequence[int]]]
    label: str
    stopped: Callable[[], bool]
    wait: Callable[[str], None]

    def __post_init__(self) -> None:
        self._own = self.share.own(len(self.prompts))
        self._segments = Segments(self.folder, self.share.shard_name)
        self._counts = {i: self._segments.count(self.prompts[i][0].id) for i in self._own}
        self.wait("segments read")

    def sample(self, make_budget: MakeBudget | None) -> None:
        """Samples what earlier starts have not, and writes this process's file."""
        try:
            if make_budget is None:
                kept = self._sample_fixed(self.source.settings.num_samples)
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
                progress.update(done, **self.source.counters.metrics())
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
        counters = self.source.counters
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
        key = problem_key(self.source.settings.seed, problem.id)
        return Request(index, prompt, key, total - have, have)

    def _finished(
        self, requests: Sequence[Request], further: Further = lambda _wait: []
    ) -> Iterator[tuple[Request, list[Sample]]]:
        """Finished requests and their samples, which are saved.

        Raises:
          Preempted: SIGTERM came.
        """
        for finished in self.generate(requests, further):
            for request, sampled in finished:
                problem, _ = self.prompts[request.index]
                written = self.source.to_samples(sampled, problem.id, self.name, request.first)
                samples = [replace(sample, form=self.form) for sample in written]
                self._counts[request.index] += len(samples)
                if self.share.writes:
                    self._segments.add(map(to_row, samples))
                yield request, samples
            if self.stopped():
                raise Preempted(f"stopped after {self.source.counters.samples} samples")

    def _sum_over_processes(self, values: Sequence[int]) -> list[int]:
        self.wait("first round sampled")
        return self.share.sum_over_shares(np.asarray(values)).tolist()
