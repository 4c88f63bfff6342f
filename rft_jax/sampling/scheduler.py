"""The host's part: which problem goes into which group when, and putting samples together again."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import jax
import numpy as np

from rft_jax.models.llama import Params
from rft_jax.sampling.decode import decode_chunk
from rft_jax.sampling.refill import drawn_so_far, end_samples, exchange, read_common
from rft_jax.sampling.requests import Counters, Drawn, Finished, Request, Source
from rft_jax.sampling.state import Program, Report, State, Tasks, init_state
from rft_jax.sampling.stops import StopStrings

_LONGEST_STOP = 64  # tokens; a longer stop string is found at the end of the sample only


@dataclass(frozen=True, eq=False)
class _Task:
    """A part of a request that one group works at without a break."""

    request: Request
    first: int
    count: int


@dataclass(frozen=True, eq=False)
class _Batch:
    """What an exchange brought back; a row without a task has nothing in it."""

    tasks: list[_Task | None]
    tokens: jax.Array
    logprobs: jax.Array


@dataclass
class Decoder:
    """Draws the samples of requests, in whatever order is quickest.

    Attributes:
      params: by layer, see `unstack_layers`.
      program: model, method and geometry.
      stops: strings that end a sample, or None.
      counters: of all runs.
    """

    params: Params
    program: Program
    stops: StopStrings | None = None
    counters: Counters = field(default_factory=Counters)

    def run(
        self, requests: Iterable[Request], source: Source | None = None
    ) -> Iterator[list[Finished]]:
        """Yields the finished requests with their samples in order, after every chunk.

        Empty lists are yielded too, so that the caller can stop between chunks.

        Args:
          source: of further requests, for prompts that finished requests had.
        """
        buckets: dict[int, list[Request]] = {}
        for request in requests:
            bucket = self.program.geometry.bucket_of(len(request.prompt))
            buckets.setdefault(bucket, []).append(request)
        for bucket in sorted(buckets):
            began = time.monotonic()
            before = self.counters.seconds
            for finished in _BucketRun(self, bucket, buckets[bucket], source).results():
                self.counters.seconds = before + time.monotonic() - began
                yield finished


class _BucketRun:
    """All requests whose prompts fall into one bucket."""

    def __init__(
        self, decoder: Decoder, bucket: int, requests: list[Request], source: Source | None
    ) -> None:
        self._params, self._program = decoder.params, decoder.program
        self._counters, self._stops = decoder.counters, decoder.stops
        self._bucket, self._source = bucket, source
        self._pending = deque(_tasks(requests, self._program.geometry.task))
        self._held: dict[int, _Task] = {}  # by place, complete ones too until they are collected
        self._parts: dict[int, list[tuple[int, list[Drawn]]]] = {}

    def results(self) -> Iterator[list[Finished]]:
        """Works until all is drawn; see `Decoder.run`."""
        state = self._first_state()
        report = None
        while self._has_work():
            collected = []
            for places in self._due(report):
                state, batch = self._exchange(state, places)
                collected.append(batch)
            more = np.bool_(bool(self._pending))
            state, report = decode_chunk(self._params, state, more, program=self._program)
            # The device works at the chunk while the samples collected before are put together.
            yield [finished for batch in collected for finished in self._assemble(batch)]
            self._count_steps(report)
            if self._stops is not None:
                state = self._end_at_stop_strings(state, int(report.steps))

    def _first_state(self) -> State:
        """All slots idle, what all prompts begin with read."""
        state = init_state(self._program, self._bucket)
        common = self._program.geometry.common
        if not common:
            return state
        tokens = np.asarray(self._pending[0].request.prompt[:common], np.int32)
        return read_common(self._params, state, tokens, program=self._program)

    def _has_work(self) -> bool:
        """Takes in what the source has; waits for it where there is nothing else to do."""
        while self._source is not None:
            wait = not (self._pending or self._held)
            self._pending.extend(_tasks(self._source.further(wait), self._program.geometry.task))
            if not wait or self._pending or not self._source.open:
                break
        return bool(self._pending or self._held)

    def _end_at_stop_strings(self, state: State, steps: int) -> State:
        """Frees the slots whose samples have a stop string among their last tokens."""
        assert self._stops is not None
        drawn, active = map(np.asarray, drawn_so_far(state, program=self._program))
        found = np.zeros(len(active), bool)
        for slot in np.flatnonzero(active):
            tokens = drawn[slot][drawn[slot] >= 0].tolist()
            found[slot] = self._stops.occurs_in(tokens[-steps - _LONGEST_STOP :])
        return end_samples(state, found, program=self._program) if found.any() else state

    def _due(self, report: Report | None) -> Iterator[list[int]]:
        """Batches of places to exchange: full ones; the last ones; any when no slot is busy."""
        refill, shards = self._program.geometry.refill, self._program.shards
        idle = report is None or not report.active
        if self._pending:
            places = self._places_for_new_tasks(report)
        else:
            places = list(self._held) if idle else []
        while places and (
            idle or len(places) >= refill * shards or len(places) == len(self._pending)
        ):
            batch: list[int] = []
            by_shard = Counter[int]()
            for place in places:
                shard = self._shard_of(place)
                if by_shard[shard] < refill:
                    by_shard[shard] += 1
                    batch.append(place)
            yield batch
            places = [place for place in places if place not in batch]

    def _shard_of(self, place: int) -> int:
        geometry = self._program.geometry
        return place * self._program.shards // (geometry.groups * geometry.prompts)

    def _places_for_new_tasks(self, report: Report | None) -> list[int]:
        """One place of every hungry group, as many as there are tasks waiting; parts in turn."""
        geometry, shards = self._program.geometry, self._program.shards
        if report is None:
            hungry, complete = np.ones(geometry.groups, bool), None
        else:
            hungry, complete = np.asarray(report.hungry), np.asarray(report.complete)
        per_shard = geometry.groups // shards
        groups = sorted(np.flatnonzero(hungry).tolist(), key=lambda g: (g % per_shard, g))
        return [self._open_place(group, complete) for group in groups[: len(self._pending)]]

    def _open_place(self, group: int, complete: np.ndarray | None) -> int:
        prompts = self._program.geometry.prompts
        for number in range(prompts):
            place = group * prompts + number
            if place not in self._held or (complete is not None and complete[group, number]):
                return place
        raise AssertionError(f"group {group} is hungry and has no place")

    def _exchange(self, state: State, places: list[int]) -> tuple[State, _Batch]:
        geometry, shards = self._program.geometry, self._program.shards
        per_shard = geometry.groups * geometry.prompts // shards
        rows: list[int | None] = []
        for shard in range(shards):
            own = [place for place in places if self._shard_of(place) == shard]
            rows += own + [None] * (geometry.refill - len(own))
        done = [None if place is None else self._held.pop(place, None) for place in rows]
        new: list[_Task | None] = []
        for place in rows:
            task = self._pending.popleft() if place is not None and self._pending else None
            new.append(task)
            if task is not None:
                assert place is not None
                self._held[place] = task
                self._counters.prefills += 1
        numbers = [per_shard if place is None else place % per_shard for place in rows]
        state, collected = exchange(
            self._params,
            state,
            np.asarray(numbers, np.int32),
            _pack(new, self._bucket, geometry.common),
            program=self._program,
        )
        return state, _Batch(done, *collected)

    def _count_steps(self, report: Report) -> None:
        steps = int(report.steps)
        self._counters.steps += steps
        self._counters.slot_steps += steps * self._program.geometry.slots
        self._counters.busy_slot_steps += int(report.busy)

    def _assemble(self, batch: _Batch) -> Iterator[Finished]:
        """Requests that are whole with this batch."""
        tokens, logprobs = np.asarray(batch.tokens), np.asarray(batch.logprobs)
        for row, task in enumerate(batch.tasks):
            if task is None:
                continue
            lengths = np.sum(tokens[row] >= 0, axis=-1)
            if self._stops is not None:
                ends = [self._stops.end(tokens[row, i, :n].tolist()) for i, n in enumerate(lengths)]
                lengths = [n if end is None else end for n, end in zip(lengths, ends, strict=True)]
            drawn = [
                Drawn(tokens[row, i, : lengths[i]], logprobs[row, i, : lengths[i]])
                for i in range(task.count)
            ]
            parts = self._parts.setdefault(id(task.request), [])
            parts.append((task.first, drawn))
            if sum(len(part) for _, part in parts) == task.request.num_samples:
                del self._parts[id(task.request)]
                parts.sort(key=lambda part: part[0])
                samples = [sample for _, part in parts for sample in part]
                self._count(samples)
                yield task.request, samples

    def _count(self, samples: list[Drawn]) -> None:
        self._counters.requests += 1
        self._counters.samples += len(samples)
        self._counters.tokens += sum(len(sample.tokens) for sample in samples)


def _tasks(requests: Iterable[Request], size: int) -> Iterator[_Task]:
    for request in requests:
        for start in range(0, request.num_samples, size):
            count = min(size, request.num_samples - start)
            yield _Task(request, request.first + start, count)


def _pack(tasks: Sequence[_Task | None], bucket: int, common: int) -> Tasks:
    """Arrays of fixed shape, prompts without what is common; rows without a task have count 0."""
    rows = len(tasks)
    packed = Tasks(
        prompts=np.zeros((rows, bucket), np.int32),
        prompt_lengths=np.zeros(rows, np.int32),
        last_tokens=np.zeros(rows, np.int32),
        keys=np.zeros((rows, 2), np.uint32),
        first=np.zeros(rows, np.int32),
        count=np.zeros(rows, np.int32),
    )
    for row, task in enumerate(tasks):
        if task is None:
            continue
        prompt = task.request.prompt[common:]
        packed.prompts[row, : len(prompt) - 1] = prompt[:-1]
        packed.prompt_lengths[row] = len(prompt) - 1
        packed.last_tokens[row] = prompt[-1]
        packed.keys[row] = task.request.key
        packed.first[row] = task.first
        packed.count[row] = task.count
    return packed
