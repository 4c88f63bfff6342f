"""The host's side of decoding: which task goes into which group's cell, and when."""

from __future__ import annotations

import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator

import jax
import numpy as np

from rft_jax.models.llama import Params
from rft_jax.sampling.assembly import Assembler
from rft_jax.sampling.decode import decode_chunk
from rft_jax.sampling.forcing import ForcedTokens, force
from rft_jax.sampling.prefill import prefill_common
from rft_jax.sampling.program import Program
from rft_jax.sampling.refill import end_samples, refill, tokens_so_far
from rft_jax.sampling.requests import Counters, Finished, Further, Request
from rft_jax.sampling.state import Report, State, idle_state
from rft_jax.sampling.stops import StopStrings
from rft_jax.sampling.tasks import Task, pack, split_request

_LONGEST_STOP = 64  # tokens; a longer stop string is found only when its sample has ended

# What a refill took out: tasks by row (None: nothing), their tokens and log-probabilities.
_Batch = tuple[list[Task | None], jax.Array, jax.Array]


class Scheduler:
    """Samples requests in whatever order is quickest, a bucket of prompt lengths at a time.

    A cell is an index `group · prompts + number`: one of the tasks that a group of slots holds.

    Args:
      params: by layer, see `unstack_layers`.
      program: model, method and geometry.
      stops: strings that end a sample, or None.
      counters: counts go on top of what they hold.
      forced: gives the tokens that paused slots wait for; None where the program pauses none.
    """

    def __init__(
        self,
        params: Params,
        program: Program,
        stops: StopStrings | None = None,
        counters: Counters | None = None,
        forced: ForcedTokens | None = None,
    ) -> None:
        self.counters = counters or Counters()
        self._params, self._program, self._stops = params, program, stops
        self._forced = forced
        self._assembler = Assembler(program.eos_ids, stops, self.counters)
        self._pending: dict[int, deque[Task]] = defaultdict(deque)  # by bucket
        self._held: dict[int, Task] = {}  # by cell; complete ones too until they are collected

    def run(
        self, requests: Iterable[Request], further: Further = lambda _wait: []
    ) -> Iterator[list[Finished]]:
        """Yields the finished requests with their samples in order, after every chunk.

        Empty lists are yielded too, so that the caller can stop between chunks.

        Args:
          further: gives the requests that finished ones led to.
        """
        began, before = time.monotonic(), self.counters.seconds
        self._add(requests)
        while self._wait_until(lambda: any(self._pending.values()), further):
            bucket = min(bucket for bucket, tasks in self._pending.items() if tasks)
            for finished in self._run_bucket(bucket, further):
                self.counters.seconds = before + time.monotonic() - began
                yield finished

    def _add(self, requests: Iterable[Request]) -> None:
        geometry = self._program.geometry
        for request in requests:
            tasks = split_request(request, geometry.task)
            self._pending[geometry.bucket_of(len(request.prompt))].extend(tasks)

    def _wait_until(self, has_work: Callable[[], bool], further: Further) -> bool:
        """Takes in further requests until there is work; False when no more can come."""
        while not has_work():
            requests = further(True)
            if not requests:
                return False
            self._add(requests)
        return True

    def _run_bucket(self, bucket: int, further: Further) -> Iterator[list[Finished]]:
        pending = self._pending[bucket]
        state, report = self._first_state(bucket), None
        while self._wait_until(lambda: bool(pending or self._held), further):
            batches = []
            for cells in self._due(pending, report):
                state, batch = self._refill(state, cells, bucket)
                batches.append(batch)
            more = np.bool_(bool(pending))
            state, report = decode_chunk(self._params, state, more, program=self._program)
            # The device runs the chunk while the samples collected before it are assembled.
            yield [finished for batch in batches for finished in self._assembler.add(*batch)]
            self._count_steps(report)
            if self._stops is not None:
                state = self._end_at_stop_strings(state, self._stops, int(report.steps))
            if self._forced is not None:
                state = force(state, self._forced, self._program)
            self._add(further(False))

    def _first_state(self, bucket: int) -> State:
        """All slots idle, what all prompts begin with prefilled."""
        state = idle_state(self._program, bucket)
        common = self._program.geometry.common
        if not common:
            return state
        tokens = np.asarray(self._pending[bucket][0].request.prompt[:common], np.int32)
        return prefill_common(self._params, state, tokens, program=self._program)

    def _end_at_stop_strings(self, state: State, stops: StopStrings, steps: int) -> State:
        """Frees the slots whose samples have a stop string among their last tokens."""
        so_far, active = map(np.asarray, tokens_so_far(state, program=self._program))
        found = np.zeros(len(active), bool)
        for slot in np.flatnonzero(active):
            tokens = so_far[slot][so_far[slot] >= 0].tolist()
            found[slot] = stops.occurs_in(tokens[-steps - _LONGEST_STOP :])
        return end_samples(state, found, program=self._program) if found.any() else state

    def _due(self, pending: deque[Task], report: Report | None) -> Iterator[list[int]]:
        """Batches of cells to refill: full ones; the last ones; any when no slot is busy."""
        geometry, shards = self._program.geometry, self._program.shards
        idle = report is None or not report.active
        if pending:
            cells = self._cells_for_new_tasks(len(pending), report)
        else:
            cells = list(self._held) if idle else []
        while cells and (
            idle or len(cells) >= geometry.refill * shards or len(cells) == len(pending)
        ):
            batch: list[int] = []
            by_shard = Counter[int]()
            for cell in cells:
                shard = self._shard_of(cell)
                if by_shard[shard] < geometry.refill:
                    by_shard[shard] += 1
                    batch.append(cell)
            yield batch
            cells = [cell for cell in cells if cell not in batch]

    def _shard_of(self, cell: int) -> int:
        geometry = self._program.geometry
        return cell * self._program.shards // (geometry.groups * geometry.prompts)

    def _cells_for_new_tasks(self, wanted: int, report: Report | None) -> list[int]:
        """One free cell per group that needs a refill, at most `wanted`, shards in turn."""
        geometry, shards = self._program.geometry, self._program.shards
        if report is None:
            waiting, complete = np.ones(geometry.groups, bool), None
        else:
            waiting, complete = np.asarray(report.needs_refill), np.asarray(report.complete)
        per_shard = geometry.groups // shards
        groups = sorted(np.flatnonzero(waiting).tolist(), key=lambda g: (g % per_shard, g))
        return [self._free_cell(group, complete) for group in groups[:wanted]]

    def _free_cell(self, group: int, complete: np.ndarray | None) -> int:
        prompts = self._program.geometry.prompts
        for number in range(prompts):
            cell = group * prompts + number
            if cell not in self._held or (complete is not None and complete[group, number]):
                return cell
        raise AssertionError(f"group {group} needs a refill and has no free cell")

    def _refill(self, state: State, cells: list[int], bucket: int) -> tuple[State, _Batch]:
        """Takes finished tasks out of the cells and puts pending ones in, as many as there are."""
        geometry, shards = self._program.geometry, self._program.shards
        per_shard = geometry.groups * geometry.prompts // shards
        rows: list[int | None] = []
        for shard in range(shards):
            own = [cell for cell in cells if self._shard_of(cell) == shard]
            rows += own + [None] * (geometry.refill - len(own))
        done = [None if cell is None else self._held.pop(cell, None) for cell in rows]
        new = [None if cell is None else self._start_task(cell, bucket) for cell in rows]
        numbers = [per_shard if cell is None else cell % per_shard for cell in rows]
        state, (tokens, logprobs) = refill(
            self._params,
            state,
            np.asarray(numbers, np.int32),
            pack(new, bucket, geometry.common),
            program=self._program,
        )
        return state, (done, tokens, logprobs)

    def _start_task(self, cell: int, bucket: int) -> Task | None:
        if not self._pending[bucket]:
            return None
        task = self._held[cell] = self._pending[bucket].popleft()
        self.counters.prefills += 1
        return task

    def _count_steps(self, report: Report) -> None:
        steps = int(report.steps)
        self.counters.steps += steps
        self.counters.slot_steps += steps * self._program.geometry.slots
        self.counters.busy_slot_steps += int(report.busy)
