"""Drawing for the problems of one part of a run, into parts that survive an interruption."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rft_jax.devices.distributed import wait_for_all
from rft_jax.errors import Preempted
from rft_jax.progress import Progress
from rft_jax.records import Problem, Sample, to_row
from rft_jax.sampling.budgets import Judges, UntilEnough, allot
from rft_jax.sampling.engine import Sampler
from rft_jax.sampling.geometry import Geometry
from rft_jax.sampling.methods import problem_key
from rft_jax.sampling.parts import Parts, merge
from rft_jax.sampling.requests import Request, Source
from rft_jax.sampling.shares import Share


@dataclass(frozen=True)
class Run:
    """What stays the same while a part's samples are drawn.

    Attributes:
      folder: the output folder.
      name: of the model, in every sample.
      sampler: model and settings.
      geometry: of the run.
      share: this process's part.
      problems: all problems of the run, in order.
      prompts: their token ids; None for one that is left out.
      stopped: whether SIGTERM has come.
    """

    folder: Path
    name: str
    sampler: Sampler
    geometry: Geometry
    share: Share
    problems: list[Problem]
    prompts: list[list[int] | None]
    stopped: Callable[[], bool]

    def draw(self) -> None:
        """Draws what no earlier run has drawn, and writes this part's sorted file."""
        settings = self.sampler.settings
        first, rest = Parts(self._parts / "first"), Parts(self._parts / "rest")
        wait_for_all("parts read", self.folder)
        if settings.budget == "until":
            self._until_enough(first)
        elif settings.budget == "difficulty":
            self._fixed(first, dict.fromkeys(self._own, settings.round_size), 0)
            wait_for_all("first round drawn", self.folder)
            self._fixed(rest, self._by_difficulty(first), settings.round_size)
        else:
            self._fixed(first, dict.fromkeys(self._own, settings.num_samples), 0)
        if self.share.writes:
            ids = [problem.id for problem in self.problems]
            merge([first, rest], self.folder / self.share.file_name, ids)

    def remove_other_divisions(self) -> None:
        """Removes what earlier starts with more or fewer processes have merged."""
        for file in self.folder.glob("samples-*.jsonl"):
            if not file.stem.endswith(f"-of-{self.share.count:05d}"):
                file.unlink()

    def remove_parts(self) -> None:
        """Removes the parts, all of which the sorted files hold."""
        shutil.rmtree(self.folder / "parts", ignore_errors=True)

    @property
    def _parts(self) -> Path:
        return self.folder / "parts" / self.share.place

    @property
    def _own(self) -> list[int]:
        """Places of this part's problems, those left out not among them."""
        first, end = self.share.bounds(len(self.problems))
        return [place for place in range(first, end) if self.prompts[place] is not None]

    def _fixed(self, parts: Parts, counts: Mapping[int, int], first: int) -> None:
        """That many samples, from index `first` on, for each of the problems."""
        done = parts.done
        requests = [
            self._request(place, first, count)
            for place, count in counts.items()
            if self.problems[place].id not in done
        ]
        total = sum(counts.values())
        before = total - sum(request.num_samples for request in requests)
        with Progress(self.share.label, total, "samples", initial=before) as progress:
            try:
                for request, samples in self._drawn(requests):
                    self._save(parts, samples)
                    before += request.num_samples
                    progress.update(before, **self.sampler.counters.figures())
            finally:
                parts.flush()

    def _until_enough(self, parts: Parts) -> None:
        """Rounds of samples until each problem has enough distinct correct ones."""
        settings, done = self.sampler.settings, parts.done
        places = [place for place in self._own if self.problems[place].id not in done]
        answers = {place: self.problems[place].answer for place in places}
        requests = [self._request(place, 0, settings.samples_at_a_time) for place in places]
        number = len(self._own) - len(places)
        with (
            closing(Judges()) as judges,
            Progress(self.share.label, len(self._own), "problems", initial=number) as progress,
        ):
            budget = UntilEnough(answers, settings, judges)
            try:
                for request, samples in self._drawn(requests, _Rounds(budget, self._request)):
                    budget.add(request.index, samples)
                    number += self._save_decided(parts, budget)
                    progress.update(number, **self.sampler.counters.figures())
                self._save_decided(parts, budget)
            finally:
                parts.flush()

    def _save_decided(self, parts: Parts, budget: UntilEnough) -> int:
        decided = budget.decided()
        for samples in decided:
            self._save(parts, samples)
        return len(decided)

    def _by_difficulty(self, first: Parts) -> dict[int, int]:
        """How many more samples each problem gets: in proportion to the wrong ones so far."""
        settings = self.sampler.settings
        wrong = self.share.sum_over_parts(self._count_wrong(first))
        asked = sum(prompt is not None for prompt in self.prompts)
        total = int(settings.average * asked) - settings.round_size * asked
        more = allot(wrong.tolist(), total, settings.num_samples - settings.round_size)
        return {place: more[place] for place in self._own if more[place]}

    def _count_wrong(self, parts: Parts) -> np.ndarray:
        """Wrong samples of each problem; 0 for those of other processes."""
        wrong = np.zeros(len(self.problems), np.int64)
        own = self._own
        rows_by_problem = parts.in_order([self.problems[place].id for place in own])
        with closing(Judges()) as judges:
            for place, rows in zip(own, rows_by_problem, strict=True):
                drawn = [(row["response"], row["finish_reason"]) for row in rows]
                judges.ask(place, (self.problems[place].answer, drawn))
            while judges.busy:
                for place, keys in judges.answers(wait=True):
                    wrong[place] = sum(key is None for key in keys)
        return wrong

    def _request(self, place: int, first: int, count: int) -> Request:
        prompt = self.prompts[place]
        assert prompt is not None
        key = problem_key(self.sampler.settings.seed, self.problems[place].id)
        return Request(place, prompt, key, count, first)

    def _drawn(
        self, requests: Iterable[Request], source: Source | None = None
    ) -> Iterator[tuple[Request, list[Sample]]]:
        """Finished requests and their samples.

        Raises:
          Preempted: SIGTERM came.
        """
        stopped = self.share.agreed(self.stopped)
        for finished in self.sampler.draw(requests, self.geometry, source=source):
            for request, drawn in finished:
                problem = self.problems[request.index]
                yield request, self.sampler.to_samples(drawn, problem.id, self.name, request.first)
            if stopped():
                raise Preempted(f"stopped with {self.sampler.counters.samples} samples drawn")

    def _save(self, parts: Parts, samples: Iterable[Sample]) -> None:
        if self.share.writes:
            parts.add(map(to_row, samples))


@dataclass(frozen=True)
class _Rounds:
    """Further rounds, as requests."""

    budget: UntilEnough
    request: Callable[[int, int, int], Request]

    @property
    def open(self) -> bool:
        return self.budget.open

    def further(self, wait: bool) -> list[Request]:
        return [self.request(*more) for more in self.budget.decide(wait)]
