"""Collected tasks put together again into finished requests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import jax
import numpy as np

from rft_jax.sampling.requests import Counters, Finished, Request, SampledTokens
from rft_jax.sampling.stops import StopStrings
from rft_jax.sampling.tasks import Task


class Assembler:
    """Cuts samples where they end, and keeps those of a request until all its tasks are there.

    Args:
      eos_ids: tokens that end a response.
      stops: strings that end a response, or None.
      counters: what finished requests are added to.
    """

    def __init__(
        self, eos_ids: tuple[int, ...], stops: StopStrings | None, counters: Counters
    ) -> None:
        self._eos_ids, self._stops, self._counters = eos_ids, stops, counters
        self._collected: dict[Request, list[tuple[Task, list[SampledTokens]]]] = {}

    def add(
        self, tasks: Sequence[Task | None], tokens: jax.Array, logprobs: jax.Array
    ) -> Iterator[Finished]:
        """Yields the requests that are complete with these tasks, samples in order.

        Args:
          tasks: a row each; None for a row without one.
          tokens: by row, sample and position, -1 behind a sample's end.
          logprobs: of the same.
        """
        rows = zip(tasks, np.asarray(tokens), np.asarray(logprobs), strict=True)
        for task, task_tokens, task_logprobs in rows:
            if task is None:
                continue
            pairs = zip(task_tokens[: task.count], task_logprobs, strict=False)
            collected = self._collected.setdefault(task.request, [])
            collected.append((task, [self._cut(*pair) for pair in pairs]))
            if sum(one.count for one, _ in collected) == task.request.num_samples:
                yield task.request, self._take(task.request)

    def _cut(self, tokens: np.ndarray, logprobs: np.ndarray) -> SampledTokens:
        length = int(np.sum(tokens >= 0))
        end = self._stops.end(tokens[:length].tolist()) if self._stops else None
        stopped = end is not None or int(tokens[length - 1]) in self._eos_ids
        length = length if end is None else end
        return SampledTokens(tokens[:length], logprobs[:length], stopped)

    def _take(self, request: Request) -> list[SampledTokens]:
        collected = sorted(self._collected.pop(request), key=lambda pair: pair[0].first)
        samples = [sample for _, samples in collected for sample in samples]
        self._counters.requests += 1
        self._counters.samples += len(samples)
        self._counters.tokens += sum(len(sample.tokens) for sample in samples)
        return samples
