"""Where the time of a step goes (a trace for TensorBoard's profiler), and where the memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import jax

from rft_jax.devices.chips import size_text
from rft_jax.training.train_step import TrainState

Result = TypeVar("Result")
_WARM = 2  # steps of a start that no trace holds: they compile and fill the caches


class StepTrace:
    """A trace of some steps, left where TensorBoard's profiler (XProf) looks for it.

    Args:
      folder: of TensorBoard's events; the trace goes to `plugins/profile/` in it.
      first: the first step of this start.
      count: steps to trace, from the third on; 0 for none.
    """

    def __init__(self, folder: Path, first: int, count: int) -> None:
        self._folder = folder
        self._steps = range(first + _WARM, first + _WARM + count)
        self._is_running = False

    def __enter__(self) -> StepTrace:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._is_running:  # training ended first
            jax.profiler.stop_trace()

    def call(self, number: int, step: Callable[[], Result]) -> Result:
        """What `step` returns, which is step `number`; traced, if that one's turn it is."""
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
    """Bytes of the state on this process's first device, beside what that device has."""
    device = jax.local_devices()[0]
    parameters, rest = _bytes_on(device, state.params), _bytes_on(device, state.opt_state)
    stats = device.memory_stats() or {}
    limit = stats.get("bytes_limit")
    return (
        f"train: on each device {size_text(parameters)} of parameters, {size_text(rest)} of moments"
        f"{f', {size_text(limit)} of memory in all' if limit else ''}"
    )


def _bytes_on(device: jax.Device, tree: Any) -> int:
    return sum(
        shard.data.nbytes
        for leaf in jax.tree.leaves(tree)
        for shard in leaf.addressable_shards
        if shard.device == device
    )
