"""Time and memory of a step: a trace for TensorBoard's profiler, bytes of the state."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import jax

from rft_jax.devices.chips import size_text
from rft_jax.training.train_step import TrainState

Result = TypeVar("Result")
_WARM_UP = 2  # steps of a start that are not traced: they compile and fill the caches


class StepTrace:
    """A trace of some steps, written where TensorBoard's profiler (XProf) reads it.

    Args:
      folder: of TensorBoard's events; the trace is written to `plugins/profile/` in it.
      first: the first step of this start.
      count: number of steps to trace, from the third on; 0 for none.
    """

    def __init__(self, folder: Path, first: int, count: int) -> None:
        self._folder = folder
        self._steps = range(first + _WARM_UP, first + _WARM_UP + count)
        self._is_running = False

    def __enter__(self) -> StepTrace:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._is_running:  # training ended first
            jax.profiler.stop_trace()

    def call(self, number: int, step: Callable[[], Result]) -> Result:
        """The result of `step`, which computes step `number`; traced if that one is to be."""
        if number not in self._steps:
            return step()
        if not self._is_running:
            jax.profiler.start_trace(self._folder)
            self._is_running = True
        with jax.profiler.StepTraceAnnotation("train", step_num=number):
            result = step()
        if number == self._steps[-1]:
            jax.block_until_ready(result)
            jax.profiler.stop_trace()
            self._is_running = False
        return result


def memory_summary(state: TrainState) -> str:
    """Memory of the state on this process's first device, and that device's memory."""
    device = jax.local_devices()[0]
    parameters, rest = _bytes_on(device, state.params), _bytes_on(device, state.opt_state)
    stats = device.memory_stats() or {}
    limit = stats.get("bytes_limit")
    return (
        f"on each device {size_text(parameters)} of parameters, {size_text(rest)} of moments"
        f"{f', {size_text(limit)} of memory in all' if limit else ''}"
    )


def _bytes_on(device: jax.Device, tree: Any) -> int:
    return sum(
        shard.data.nbytes
        for leaf in jax.tree.leaves(tree)
        for shard in leaf.addressable_shards
        if shard.device == device
    )
