"""The loop over optimizer steps: metrics one step late, checkpoints, resuming, stopping."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import jax
import numpy as np
from jax.sharding import Mesh

from rft_jax.checkpoints.train_state import TrainStateCheckpoints
from rft_jax.devices import partitioning
from rft_jax.devices.chips import chip_of
from rft_jax.devices.distributed import is_main
from rft_jax.errors import Preempted, UserError
from rft_jax.files.jsonl import write_json
from rft_jax.files.names import CHECKPOINTS_FOLDER, TIMING_FILE, checkpoint_of
from rft_jax.models.config import LlamaConfig
from rft_jax.models.llama import Params
from rft_jax.models.shapes import train_flops_per_token
from rft_jax.progress import Progress
from rft_jax.training.batches import Batches
from rft_jax.training.held_out import ACCURACY, LOSS, HeldOut
from rft_jax.training.metrics import MetricsLog
from rft_jax.training.optimizers import learning_rate
from rft_jax.training.profiling import StepTrace, memory_summary
from rft_jax.training.settings import TrainSettings
from rft_jax.training.train_step import (
    TrainState,
    init_train_state,
    not_finite,
    state_shardings,
    train_step,
)


@dataclass(frozen=True, eq=False)
class Steps(ABC):
    """What the loop runs: steps of a state, and where their outcome is kept.

    Attributes:
      label: name of the work, for progress and messages.
      shown: metrics that the progress shows.
      settings: of the optimizer, checkpoints and logs.
      mesh: devices of the state.
      num_steps: steps in all.
      folder: the output, with checkpoints and metrics.
      frozen: parameters that are not trained, if adapters are; else empty.
    """

    label: ClassVar[str]
    shown: ClassVar[tuple[str, ...]]

    settings: TrainSettings
    mesh: Mesh
    num_steps: int
    folder: Path
    frozen: Params

    @abstractmethod
    def advance(
        self, state: TrainState, step: int, learning_rate: float
    ) -> tuple[TrainState, dict[str, Any]]:
        """Step `step` (from 0): the next state, and metrics with `loss` and `grad_norm`."""

    def measure(self, state: TrainState, step: int) -> dict[str, float]:
        """Further metrics of the state after step `step` (from 1); those of the loop if empty."""
        del state, step
        return {}

    @abstractmethod
    def speed(self, steps: int, seconds: float) -> dict[str, float]:
        """What so many steps in so many seconds amount to."""


@dataclass(frozen=True, eq=False)
class Run(Steps):
    """A training on batches, one after the other.

    Attributes:
      config: the model's shape, adapters included.
      batches: the batch of every step.
      held_out: measures loss and accuracy on other data; None without such data.
    """

    label = "train"
    shown = ("loss", LOSS, ACCURACY)

    config: LlamaConfig
    batches: Batches
    held_out: HeldOut | None = None

    def advance(
        self, state: TrainState, step: int, learning_rate: float
    ) -> tuple[TrainState, dict[str, Any]]:
        """One optimizer step on batch `step`."""
        batch = self.batches.batch(step, jax.process_index(), jax.process_count())
        return train_step(
            state,
            partitioning.global_batch(batch, self.mesh),
            np.float32(learning_rate),  # of the host: the same in every process
            config=self.config,
            settings=self.settings,
            mesh=self.mesh,
            frozen=self.frozen,
        )

    def measure(self, state: TrainState, step: int) -> dict[str, float]:
        """The held-out metrics, every `train.eval_every_steps`."""
        return self.held_out.measure(state.params, step) if self.held_out else {}

    def speed(self, steps: int, seconds: float) -> dict[str, float]:
        """Tokens per second over all devices and, if the chip's peak is known, the MFU."""
        tokens = steps * self.batches.batch_size * self.settings.max_length
        speed = {"tokens/s": tokens / seconds}
        chip = chip_of(jax.devices()[0].device_kind)
        if chip is not None:
            flops = train_flops_per_token(self.config, self.settings.max_length)
            speed["MFU"] = speed["tokens/s"] * flops / (chip.peak * self.mesh.size)
        return speed


def run_steps(run: Steps, params: Params, stopped: Callable[[int], bool]) -> TrainState:
    """All remaining steps. A step's metrics are fetched while the next one is computed.

    Args:
      run: what is trained, and how.
      params: where training starts if there is no checkpoint; donated.
      stopped: whether to save and stop after the step of that number.

    Raises:
      Preempted: the run was stopped; the state is saved.
      UserError: a loss, a gradient or a weight is NaN or infinite.
    """
    checkpoints = TrainStateCheckpoints(
        run.folder / CHECKPOINTS_FOLDER, run.settings.keep_checkpoints
    )
    state = _begin(run, params, checkpoints)
    first = int(state.step)
    damaged = not_finite({"state": state, "frozen": run.frozen})
    if damaged:
        fix = f"delete {run.folder / checkpoint_of(first)}" if first else "start from another model"
        raise UserError(f"{damaged[0]} is NaN or infinite before step {first + 1}; {fix}")
    if is_main():
        print(f"{run.label}: {memory_summary(state)}", flush=True)
    log = MetricsLog(run.folder, first, run.settings)
    steps = _Steps(run, log, checkpoints, first)
    shown = Progress(run.label, run.num_steps, "steps", initial=first) if is_main() else None
    traced = run.settings.profile_steps if is_main() else 0
    watched = StepTrace(log.tensorboard, first, traced)
    with closing(checkpoints), shown or nullcontext(), watched as trace:
        for step in range(first, run.num_steps):
            state = trace.call(step, partial(steps.advance, state, step, shown))
            if step + 1 == run.num_steps or (step + 1) % run.settings.save_every_steps == 0:
                steps.save(state, step + 1, shown)
            if stopped(step + 1):
                steps.save(state, step + 1, shown)
                raise Preempted(f"{run.label}: stopped after step {step + 1}, saved")
    steps.write_timing()
    return state


def _begin(run: Steps, params: Params, checkpoints: TrainStateCheckpoints) -> TrainState:
    """The newest checkpoint's state, else the first one, made of the parameters."""
    init = partial(init_train_state, settings=run.settings)
    shapes = jax.eval_shape(init, params)
    shardings = state_shardings(shapes, run.mesh)
    restored = checkpoints.restore_latest(partitioning.with_shardings(shapes, shardings))
    if restored is None:
        return jax.jit(init, out_shardings=shardings, donate_argnums=0)(params)
    for leaf in jax.tree.leaves(params):  # as a first start does, which donates them
        leaf.delete()
    return restored


class _Steps:
    """The loop's bookkeeping: metrics that are not fetched yet, the last save, the clock."""

    def __init__(
        self, run: Steps, log: MetricsLog, checkpoints: TrainStateCheckpoints, first: int
    ) -> None:
        self._run, self._log, self._checkpoints = run, log, checkpoints
        self._pending: tuple[int, float, dict[str, jax.Array]] | None = None
        self._saved, self._first = first, first
        self._begin: float | None = None  # set after the first step, which compiles

    def advance(self, state: TrainState, step: int, shown: Progress | None) -> TrainState:
        rate = learning_rate(self._run.settings, step, self._run.num_steps)
        with self._divergence_first(state, step, shown):
            state, metrics = self._run.advance(state, step, rate)
        self.fetch(shown)
        self._pending = (step + 1, rate, metrics)
        with self._divergence_first(state, step + 1, shown):
            self._pending = (step + 1, rate, metrics | self._run.measure(state, step + 1))
        return state

    @contextmanager
    def _divergence_first(
        self, state: TrainState, step: int, shown: Progress | None
    ) -> Iterator[None]:
        """Within the block, where what a step left is sampled from, its NaN is the first error."""
        try:
            yield
        except UserError:
            self._check(state, step, shown)
            raise

    def _check(self, state: TrainState, step: int, shown: Progress | None) -> None:
        """Fetches the metrics of step `step`; raises if they or its state are NaN or infinite."""
        self.fetch(shown)
        damaged = not_finite(state)
        if damaged:
            self._diverged(f"step {step}: its update made {damaged[0]} NaN or infinite")

    def fetch(self, shown: Progress | None) -> None:
        """Fetches the last step's metrics; raises if its loss or gradient is NaN or infinite."""
        if self._pending is None:
            return
        step, rate, metrics = self._pending
        self._pending = None
        numbers = {name: float(value) for name, value in metrics.items()}
        if not (np.isfinite(numbers["loss"]) and np.isfinite(numbers["grad_norm"])):
            self._diverged(
                f"step {step}: loss {numbers['loss']}, gradient norm {numbers['grad_norm']}"
            )
        self._log.add(step, numbers | {"learning_rate": rate})
        self._begin = self._begin or time.monotonic()
        if shown is not None:
            texts: dict[str, float | str] = {
                name: numbers[name] for name in self._run.shown if name in numbers
            }
            texts |= self._speed(step)
            if "MFU" in texts:
                texts["MFU"] = f"{texts['MFU']:.1%}"
            shown.update(step, **texts)

    def _speed(self, step: int) -> dict[str, float]:
        done = step - self._first - 1
        if not done or self._begin is None:
            return {}
        return self._run.speed(done, time.monotonic() - self._begin)

    def save(self, state: TrainState, step: int, shown: Progress | None) -> None:
        """Saves a step once, if all of its state is finite; the metrics are written before it.

        Raises:
          UserError: a weight or a moment is NaN or infinite.
        """
        self.fetch(shown)
        if step > self._saved:
            self._check(state, step, shown)
            if is_main():
                self._log.write()
            self._checkpoints.save(step, state)
            self._saved = step

    def _diverged(self, what: str) -> NoReturn:
        good = f"the last good checkpoint is step {self._saved} in {self._run.folder}/checkpoints"
        raise UserError(
            f"{what}; {good if self._saved else 'no checkpoint was saved before'}; "
            f"lower {self._run.label}.learning_rate"
        )

    def write_timing(self) -> None:
        """Writes the speed, apart from the files that are equal in every run."""
        if is_main():
            speed: dict[str, Any] = dict(self._speed(self._run.num_steps))
            speed["device"] = jax.devices()[0].device_kind
            write_json(self._run.folder / TIMING_FILE, speed)
